"""Scenarios: the operator's own reconciler and queue over a cluster in memory, told as given, when, then."""
