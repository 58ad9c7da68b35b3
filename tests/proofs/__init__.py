"""Long proofs about the sampler, as commands that end in minutes; `make soak` runs them."""
