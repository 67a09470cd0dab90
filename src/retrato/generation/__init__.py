"""Settings to pictures that carry their settings. Knows nothing of training."""

from retrato.generation.axes import AXES, Axis, parse_axis
from retrato.generation.generate import Drawn, Sampled, generate
from retrato.generation.grid import Cell, draw_grid, is_sheet, require_sheet, save_sheet, sheet
from retrato.generation.image import GeneratedImage
from retrato.generation.infotext import format_infotext, parse_infotext
from retrato.generation.networks import hypernet_tag
from retrato.generation.picture_text import read_infotext, require_infotext
from retrato.generation.preview import preview_images
from retrato.generation.prompt_check import check_prompts, name_warnings
from retrato.generation.recall import Recalled, recall, recall_picture, what_differs
from retrato.generation.resolve import resolve_settings, seeded
from retrato.generation.variants import after, vary, vary_sheet, with_styles

__all__ = [
    "AXES",
    "Axis",
    "Cell",
    "Drawn",
    "GeneratedImage",
    "Recalled",
    "Sampled",
    "after",
    "check_prompts",
    "draw_grid",
    "format_infotext",
    "generate",
    "hypernet_tag",
    "is_sheet",
    "name_warnings",
    "parse_axis",
    "parse_infotext",
    "preview_images",
    "read_infotext",
    "recall",
    "recall_picture",
    "require_infotext",
    "require_sheet",
    "resolve_settings",
    "save_sheet",
    "seeded",
    "sheet",
    "vary",
    "vary_sheet",
    "what_differs",
    "with_styles",
]
