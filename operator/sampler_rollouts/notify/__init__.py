"""Adapter to whoever is told of rollouts by HTTP."""
