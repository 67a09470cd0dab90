"""What a drawing looks like on the way. Knows nothing of settings and files."""

from PIL import Image

from retrato.generation.generate import Sampled
from retrato.model.components import Components
from retrato.model.latents import decode_to_images


def preview_images(components: Components, event: Sampled) -> list[Image.Image]:
    """Gives, for each image of the batch, what the model at this step takes the finished picture to be."""
    return decode_to_images(components, event.estimate)
