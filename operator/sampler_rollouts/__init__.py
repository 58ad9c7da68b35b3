"""The SamplerRollout operator."""
