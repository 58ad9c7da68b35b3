"""Synthetic probes: a client that asks sampler servers so that pools with little traffic have evidence too."""
