"""The operator's own process before a real API server, killed or deceived at a write that is counted."""
