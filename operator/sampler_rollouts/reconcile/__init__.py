"""Observe, decide, apply."""
