"""A Kubernetes API server and its controllers in memory: what the operator uses of them, held against the real one."""
