"""Adapter to the metrics source (Prometheus)."""
