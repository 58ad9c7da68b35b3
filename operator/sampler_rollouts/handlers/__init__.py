"""kopf: events into one queue, the loop that reconciles, probes."""
