"""Settings to pictures that carry their settings. Knows nothing of training."""

from retrato.generation.generate import Drawn, Sampled, generate
from retrato.generation.image import GeneratedImage
from retrato.generation.infotext import format_infotext, parse_infotext
from retrato.generation.networks import hypernet_tag
from retrato.generation.picture_text import read_infotext
from retrato.generation.preview import preview_images
from retrato.generation.resolve import resolve_settings

__all__ = [
    "Drawn",
    "GeneratedImage",
    "Sampled",
    "format_infotext",
    "generate",
    "hypernet_tag",
    "parse_infotext",
    "preview_images",
    "read_infotext",
    "resolve_settings",
]
