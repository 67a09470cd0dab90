"""The prompt language: text in, plain data out. Knows no torch and no model."""

from retrato.prompts.editing import prompt_schedule, split_and
from retrato.prompts.grammar import parse_attention
from retrato.prompts.tags import Tag, extract_tags
from retrato.prompts.templates import fill_template, read_templates
from retrato.prompts.tokens import Chunk, Slot, chunk_tokens, prefix_clashes

__all__ = [
    "Chunk",
    "Slot",
    "Tag",
    "chunk_tokens",
    "extract_tags",
    "fill_template",
    "parse_attention",
    "prefix_clashes",
    "prompt_schedule",
    "read_templates",
    "split_and",
]
