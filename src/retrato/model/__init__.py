"""The frozen model: loading, text, latents, scorer, captioner. Knows no steps, no seeds, no files of people."""

from retrato.model.caption import Captioner, load_captioner
from retrato.model.components import Components, ModelDefaults
from retrato.model.latents import (
    LatentDistribution,
    decode,
    decode_to_images,
    encode_pixels,
    image_to_pixels,
    images_to_pixels,
    pixels_to_images,
)
from retrato.model.load import load_components
from retrato.model.score import Scorer, load_scorer
from retrato.model.text import Conditioning, encode, filled_slots, initial_vectors, token_chunks

__all__ = [
    "Captioner",
    "Components",
    "Conditioning",
    "LatentDistribution",
    "ModelDefaults",
    "Scorer",
    "decode",
    "decode_to_images",
    "encode",
    "encode_pixels",
    "filled_slots",
    "image_to_pixels",
    "images_to_pixels",
    "initial_vectors",
    "load_captioner",
    "load_components",
    "load_scorer",
    "pixels_to_images",
    "token_chunks",
]
