"""Adapter to the pods themselves: what a server says of its preflight."""
