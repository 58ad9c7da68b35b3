"""The sampler server: a language model's logits to tokens, exactly, with proof."""

from importlib import metadata

try:
    __version__ = metadata.version("sampler-rollouts")
except metadata.PackageNotFoundError:
    # Images hold the source, not an installed package: there the digest says which build it is.
    __version__ = "source"
