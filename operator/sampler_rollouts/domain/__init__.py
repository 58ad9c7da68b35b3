"""Pure: no clock, no I/O, no kopf, no kubernetes. What a release is, what the evidence says, what to do next."""
