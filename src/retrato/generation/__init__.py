"""Settings to pictures that carry their settings. Knows nothing of training."""

from retrato.generation.axes import AXES, Axis, parse_axis
from retrato.generation.generate import Drawn, Sampled, generate
from retrato.generation.grid import Cell, draw_grid, save_sheet, sheet
from retrato.generation.image import GeneratedImage
from retrato.generation.infotext import format_infotext, parse_infotext
from retrato.generation.picture_text import read_infotext
from retrato.generation.preview import preview_images
from retrato.generation.resolve import resolve_settings

__all__ = [
    "AXES",
    "Axis",
    "Cell",
    "Drawn",
    "GeneratedImage",
    "Sampled",
    "draw_grid",
    "format_infotext",
    "generate",
    "parse_axis",
    "parse_infotext",
    "preview_images",
    "read_infotext",
    "resolve_settings",
    "save_sheet",
    "sheet",
]
