"""Settings to pictures that carry their settings. Knows nothing of training."""

from retrato.generation.generate import Drawn, Sampled, generate, resolve_settings
from retrato.generation.image import GeneratedImage
from retrato.generation.infotext import format_infotext, parse_infotext
from retrato.generation.networks import hypernet_tag
from retrato.generation.picture_text import read_infotext

__all__ = [
    "Drawn",
    "GeneratedImage",
    "Sampled",
    "format_infotext",
    "generate",
    "hypernet_tag",
    "parse_infotext",
    "read_infotext",
    "resolve_settings",
]
