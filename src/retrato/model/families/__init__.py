"""The families of Stable Diffusion, offline: how they are told apart, their configurations, their tokens."""

from retrato.model.families.configs import check_configs, check_vae, text_config, unet_config, vae_config
from retrato.model.families.detect import describe_other, find_family, require_family
from retrato.model.families.table import FAMILIES, Family, TextSpec
from retrato.model.families.tokenizer import clip_tokenizer, clip_tokens, read_tokenizer

__all__ = [
    "FAMILIES",
    "Family",
    "TextSpec",
    "check_configs",
    "check_vae",
    "clip_tokenizer",
    "clip_tokens",
    "describe_other",
    "find_family",
    "read_tokenizer",
    "require_family",
    "text_config",
    "unet_config",
    "vae_config",
]
