"""Small seeded models with random weights, in the real classes and the real folder layout, made once per test run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # tests of the layers without torch should not wait for it
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTokenizer

    from retrato.model import Components


def pytest_configure(config: pytest.Config) -> None:
    # diffusers makes numpy arrays of tensors, and torch does not know numpy 2's `copy` yet.
    config.addinivalue_line("filterwarnings", "ignore:__array_?.*:DeprecationWarning")


WORDS = ("a", "man", "person", "photo", "portrait", "of", "hat", "cat", "dog", "red")


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP tokenizer that knows ten words and spells all others byte by byte."""
    from retrato.model.quiet import import_quietly

    import_quietly()
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    folder = tmp_path_factory.mktemp("tokenizer")
    letters = list(bytes_to_unicode().values())
    tokens, merges = [*letters, *(f"{letter}</w>" for letter in letters)], []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append(f"{parts[0]} {parts[1]}")
            parts = [parts[0] + parts[1], *parts[2:]]
            tokens.append(parts[0])
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(dict.fromkeys(merges)) + "\n")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """A diffusers folder with a Stable Diffusion 1.x in miniature: 64x64 pictures, latents of 4x8x8."""
    import torch
    from transformers import CLIPTextModel

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    tokenizer = _save_tokenizer(tokenizer_folder, folder / "tokenizer")
    CLIPTextModel(_text_config(tokenizer, 32)).save_pretrained(folder / "text_encoder")
    _unet(cross_attention_dim=32).save_pretrained(folder / "unet")
    _save_rest(folder, ("text_encoder", "CLIPTextModel"))
    return folder


@pytest.fixture(scope="session")
def tiny_xl_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """The same with two text encoders of different width and a pooled text, as in Stable Diffusion XL."""
    import torch
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    folder = tmp_path_factory.mktemp("tiny-xl")
    torch.manual_seed(1)
    tokenizer = _save_tokenizer(tokenizer_folder, folder / "tokenizer")
    _save_tokenizer(tokenizer_folder, folder / "tokenizer_2", pad_token="!")
    CLIPTextModel(_text_config(tokenizer, 32)).save_pretrained(folder / "text_encoder")
    CLIPTextModelWithProjection(_text_config(tokenizer, 48)).save_pretrained(folder / "text_encoder_2")
    _unet(
        cross_attention_dim=80,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 24,
    ).save_pretrained(folder / "unet")
    _save_rest(folder, ("text_encoder", "CLIPTextModel"), ("text_encoder_2", "CLIPTextModelWithProjection"))
    return folder


@pytest.fixture(scope="session")
def tiny_components(tiny_folder: Path) -> Components:
    from retrato.model import load_components

    return load_components(tiny_folder, device="cpu")


@pytest.fixture(scope="session")
def tiny_xl_components(tiny_xl_folder: Path) -> Components:
    from retrato.model import load_components

    return load_components(tiny_xl_folder, device="cpu")


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives, for a family of Stable Diffusion, a folder with its architecture in full depth and narrow, made once."""
    from benchmarks.random_models import save_random_model

    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            kind, _, special = family.partition("/")
            place = tmp_path_factory.mktemp(kind) / "model"
            made[family] = save_random_model(place, kind, is_reduced=True, for_inpainting=special == "inpainting")
        return made[family]

    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """A tiny CLIP model as the hub has them, of 32 pixels: to be copied, not changed."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(str(tokenizer_folder))
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**tower, "image_size": 32, "patch_size": 8, "projection_dim": 12}
    text = {
        **tower, "vocab_size": len(tokenizer), "max_position_embeddings": 20, "projection_dim": 12,
        "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id,
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.3, 0.3, 0.3]}')
    return folder


def _save_tokenizer(source: Path, folder: Path, **options: str) -> CLIPTokenizer:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(source), model_max_length=77, **options)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _text_config(tokenizer: CLIPTokenizer, width: int) -> CLIPTextConfig:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        projection_dim=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _unet(**options: object) -> UNet2DConditionModel:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=8,
        **options,
    )


def _save_rest(folder: Path, *encoders: tuple[str, str]) -> None:
    from diffusers import AutoencoderKL, DDPMScheduler

    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    vae.save_pretrained(folder / "vae")
    DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False).save_pretrained(
        folder / "scheduler"
    )
    index = {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None],
    }
    for place, name in encoders:
        index[place] = ["transformers", name]
        index[place.replace("text_encoder", "tokenizer")] = ["transformers", "CLIPTokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index))
