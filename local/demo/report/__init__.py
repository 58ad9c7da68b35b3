"""The report: one HTML page with its own drawings, nothing fetched from anywhere."""

from local.demo.report.page import render

__all__ = ["render"]
