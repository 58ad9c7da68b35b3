"""`make incidents`: the incidents of 2025 replayed through a real gateway with a real model, and honest releases."""
