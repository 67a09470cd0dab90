"""The prompt language: text in, plain data out. Knows no torch and no model."""

from retrato.prompts.check import PromptWarning, check_prompt
from retrato.prompts.comments import without_comments
from retrato.prompts.editing import prompt_schedule, split_and
from retrato.prompts.grammar import parse_attention
from retrato.prompts.matrix import matrix_parts, prompt_matrix
from retrato.prompts.styles import Style, StyleFile, apply_styles
from retrato.prompts.tags import Tag, extract_tags
from retrato.prompts.templates import fill_template, read_templates
from retrato.prompts.tokens import Chunk, Slot, chunk_tokens, prefix_clashes
from retrato.prompts.wildcards import WildcardFolder, all_words, choose_words, word_chooser

__all__ = [
    "Chunk",
    "PromptWarning",
    "Slot",
    "Style",
    "StyleFile",
    "Tag",
    "WildcardFolder",
    "all_words",
    "apply_styles",
    "check_prompt",
    "choose_words",
    "chunk_tokens",
    "extract_tags",
    "fill_template",
    "matrix_parts",
    "parse_attention",
    "prefix_clashes",
    "prompt_matrix",
    "prompt_schedule",
    "read_templates",
    "split_and",
    "without_comments",
    "word_chooser",
]
