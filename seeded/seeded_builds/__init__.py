"""Seeded bad builds of the sampler: the incidents, rebuilt, to prove that the gates catch them."""
