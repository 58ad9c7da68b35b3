"""Anytime-valid evidence from raw counter samples: what the data say about each check, and how sure we may be."""
