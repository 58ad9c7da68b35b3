"""The local single-node Kubernetes cluster, its images, and what drives them."""
