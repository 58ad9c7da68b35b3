"""Envoy Gateway and Envoy on the local cluster, for what comes through a Gateway. Installed only when asked for."""
