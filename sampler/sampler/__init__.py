"""The exact sampler as a library: the arithmetic of the server, without the server.

    from sampler import SamplingParams, sample, kept_tokens

The semantics are docs/sampling.md.
"""

from sampler.interface import SampleResult, kept_tokens, sample
from sampler.params import SamplingParams

__all__ = ["SampleResult", "SamplingParams", "kept_tokens", "sample"]
