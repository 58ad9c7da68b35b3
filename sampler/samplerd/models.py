"""The models that can be served, by name."""

from samplerd import smollm, synthetic
from samplerd.model import Model
from samplerd.settings import Settings


def load_model(settings: Settings) -> Model:
    """Load the model that the settings name."""
    if settings.model == synthetic.NAME:
        return synthetic.load(settings.context)
    return smollm.load(settings.context, settings.model_path)
