"""Drawings and pages: inline SVG and HTML that need nothing but themselves. The demo's report is drawn with these."""
