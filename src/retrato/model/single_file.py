"""The parts of a Stable Diffusion model from one file with LDM keys, offline: diffusers translates the names.

Configurations come from the shapes (see `families.configs`), so nothing is looked up anywhere. Knows no devices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from retrato.errors import ModelError
from retrato.model.checkpoint_file import Checkpoint, open_checkpoint
from retrato.model.components import Parts
from retrato.model.families import (
    FAMILIES,
    Family,
    TextSpec,
    check_vae,
    clip_tokenizer,
    require_family,
    text_config,
    unet_config,
    vae_config,
)
from retrato.model.families.configs import UNET, VAE, is_vae_of_diffusers
from retrato.model.families.table import SD2
from retrato.model.folder import read_part
from retrato.model.quiet import import_quietly

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

VAE_ENDINGS = (".vae.safetensors", ".vae.pt", ".vae.ckpt")
# A VAE's attention as diffusers named it until 0.14, and since.
OLD_ATTENTION = re.compile(r"(\battentions\.\d+\.)(query|key|value|proj_attn)\.")
NEW_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
V_IN_YAML = re.compile(r"""^\s*parameterization:\s*["']?v["']?\s*$""", re.MULTILINE)


def read_single_file(path: Path, *, family: str = "auto", vae: Path | None = None) -> Parts:
    """Gives the parts in the checkpoint `path`; `vae` is a file with another VAE, else one beside it, as A1111 has it.

    `family` is a key of FAMILIES where the tensors do not say enough, `auto` else: for Stable Diffusion 2, A1111's
    `.yaml` beside the file or trying says whether the U-Net predicts v. Raises ModelError.
    """
    import_quietly()
    from diffusers import UNet2DConditionModel

    with open_checkpoint(path) as checkpoint:
        shapes = checkpoint.shapes
        try:
            key, row = require_family(shapes, checkpoint.metadata, family)
            unet = _build(UNet2DConditionModel, unet_config(shapes, row), lambda config: _unet(checkpoint, config))
            if family == "auto":
                key, row = _with_prediction(key, row, path, unet)
            encoders = tuple(_text_encoder(checkpoint, spec) for spec in row.text)
            tokenizers = tuple(_tokenizer(spec, encoder) for spec, encoder in zip(row.text, encoders, strict=True))
            other = vae or vae_beside(path)
            autoencoder = None if other else _read_vae(checkpoint, row)
        except ModelError as error:
            raise ModelError(f"{path} cannot be used: {error}") from None
        scheduler = row.scheduler_config
        if "ztsnr" in shapes:
            scheduler = {**scheduler, "rescale_betas_zero_snr": True}
    unet.register_to_config(sample_size=row.size // 8)
    autoencoder = read_vae(other, row) if other else autoencoder
    return Parts(encoders, tokenizers, unet, autoencoder, scheduler, row.zero_empty_negative)


def holds_vae(names: Collection[str]) -> bool:
    """Says whether a checkpoint with tensors of these `names` brings a VAE."""
    return f"{_vae_prefix(names)}decoder.conv_in.weight" in names


def read_vae(path: Path, family: Family | None = None) -> AutoencoderKL:
    """Gives the VAE in a file with LDM or diffusers keys, or in a folder in diffusers layout; raises ModelError."""
    import_quietly()
    from diffusers import AutoencoderKL

    if path.is_dir():
        folder = path / "vae" if (path / "vae").is_dir() else path
        try:
            found = read_part(AutoencoderKL, folder)
        except Exception as error:  # numbers that are none in a config.json end anywhere in the library
            said = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(f"{folder} is no VAE in diffusers layout: {said}") from None
        try:
            check_vae(found.config)
        except ModelError as error:
            raise ModelError(f"{folder} cannot be used: {error}") from None
        return found
    with open_checkpoint(path) as checkpoint:
        try:
            return _read_vae(checkpoint, family or FAMILIES["sd1"])
        except ModelError as error:
            raise ModelError(f"{path} cannot be used: {error}") from None


def vae_beside(path: Path) -> Path | None:
    """Gives the VAE that lies beside the checkpoint `path` under its name, as A1111 looks for it."""
    return next((found for ending in VAE_ENDINGS if (found := path.with_name(path.stem + ending)).is_file()), None)


def yaml_predicts_v(path: Path) -> bool:
    """Says whether a `.yaml` beside the checkpoint `path`, as A1111 wants it for some, says that it predicts v."""
    beside = path.with_suffix(".yaml")
    return beside.is_file() and bool(V_IN_YAML.search(beside.read_text("utf-8", errors="replace")[:100_000]))


@torch.no_grad()
def looks_like_v(unet: Any) -> bool:
    """Says whether a U-Net of Stable Diffusion 2 predicts v, by trying: nothing in the file says it.

    At the last timestep an answer in epsilon is near the input, one in v far below it (A1111's test for the same).
    """
    latents = torch.full((1, int(unet.config.in_channels), 8, 8), 0.5, dtype=unet.dtype)
    states = torch.full((1, 2, int(unet.config.cross_attention_dim)), 0.5, dtype=unet.dtype)
    answer = unet(latents, torch.tensor([999]), encoder_hidden_states=states).sample
    return bool((answer - latents[:, : answer.shape[1]]).float().mean() < -1)


def _with_prediction(key: str, row: Family, path: Path, unet: Any) -> tuple[str, Family]:
    """Gives the family that predicts v where a text beside the file, or for Stable Diffusion 2 trying, says so."""
    if row.prediction_type == "epsilon" and (yaml_predicts_v(path) or (row == SD2 and looks_like_v(unet.float()))):
        return f"{key}-v", FAMILIES[f"{key}-v"]
    return key, row


def _unet(checkpoint: Checkpoint, config: dict[str, Any]) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    return convert_ldm_unet_checkpoint(_section(checkpoint, UNET), config)


def _vae_prefix(names: Collection[str]) -> str:
    return VAE if any(name.startswith(VAE) for name in names) else ""


def _read_vae(checkpoint: Checkpoint, family: Family) -> AutoencoderKL:
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    prefix = _vae_prefix(checkpoint.shapes)
    if not holds_vae(checkpoint.shapes):
        raise ModelError("it holds no VAE: give one with --vae")
    own = {key: shape for key, shape in checkpoint.shapes.items() if key.startswith(prefix)}
    shapes = {f"{VAE}{key.removeprefix(prefix)}": shape for key, shape in own.items()}
    named = replace(checkpoint, shapes=shapes, read=lambda key: checkpoint.read(prefix + key.removeprefix(VAE)))

    def weights(config: dict[str, Any]) -> dict[str, Tensor]:
        section = _section(named, VAE)
        if not is_vae_of_diffusers(shapes):
            return convert_ldm_vae_checkpoint(section, config)
        return {OLD_ATTENTION.sub(_new_attention, name.removeprefix(VAE)): section[name] for name in section}

    return _build(AutoencoderKL, vae_config(shapes, family), weights)


def _new_attention(found: re.Match[str]) -> str:
    return f"{found[1]}{NEW_ATTENTION[found[2]]}."


def _text_encoder(checkpoint: Checkpoint, spec: TextSpec) -> CLIPTextModel | CLIPTextModelWithProjection:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind = CLIPTextModelWithProjection if spec.is_pooled else CLIPTextModel
    config = CLIPTextConfig(**text_config(checkpoint.shapes, spec))
    section = _section(checkpoint, spec.prefix)

    def weights(_: Any) -> dict[str, Tensor]:
        found = _clip_weights(section, spec) if spec.layout == "clip" else _open_clip_weights(section, spec, config)
        kept = {name: value for name, value in found.items() if _layer(name) < config.num_hidden_layers}
        return kept if spec.is_pooled else {name.removeprefix("text_model."): value for name, value in kept.items()}

    return _build(lambda **_: kind(config), {}, weights)


def _clip_weights(section: Mapping[str, Tensor], spec: TextSpec) -> dict[str, Tensor]:
    names = {name: name.removeprefix(spec.prefix).removeprefix("text_model.") for name in section}
    return {f"text_model.{name}": section[key] for key, name in names.items() if not name.endswith("position_ids")}


def _open_clip_weights(section: dict[str, Tensor], spec: TextSpec, config: Any) -> dict[str, Tensor]:
    """diffusers leaves out the last layer of Stable Diffusion 2 by name, as the configuration asks for it.

    It knows open_clip's text_projection only, not the layer's own matrix that its script for XL writes.
    """
    from types import SimpleNamespace

    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    key = f"{spec.prefix}text_projection"
    if f"{key}.weight" in section:
        section = {**section, key: section[f"{key}.weight"].T}
    return convert_open_clip_checkpoint(SimpleNamespace(config=config), section, prefix=spec.prefix)


def _tokenizer(spec: TextSpec, encoder: Any) -> CLIPTokenizer:
    tokenizer = clip_tokenizer(spec.padding, int(encoder.config.max_position_embeddings))
    if len(tokenizer) != encoder.config.vocab_size:
        raise ModelError(
            f"its text encoder knows {encoder.config.vocab_size} tokens, CLIP has {len(tokenizer)}: "
            "give a folder in diffusers layout, with its own tokenizer"
        )
    return tokenizer


def _layer(name: str) -> int:
    found = re.search(r"encoder\.layers\.(\d+)\.", name)
    return int(found[1]) if found else -1


def _section(checkpoint: Checkpoint, prefix: str) -> dict[str, Tensor]:
    """Reads the tensors whose names begin with `prefix`; one part at a time, so that memory holds each once."""
    return {key: checkpoint.read(key) for key in checkpoint.shapes if key.startswith(prefix)}


def _build(
    kind: Callable[..., Any], config: dict[str, Any], weights: Callable[[dict[str, Any]], dict[str, Tensor]]
) -> Any:
    """Makes a module without memory for its weights, and gives it those; raises ModelError where some do not fit."""
    from accelerate import init_empty_weights
    from transformers.initialization import no_init_weights

    try:
        with init_empty_weights(include_buffers=False), no_init_weights():
            module: nn.Module = kind(**config)
        missing, _ = module.load_state_dict(weights(config), strict=False, assign=True)
    except (RuntimeError, ValueError, LookupError) as error:
        raise ModelError(f"its tensors do not fit together: {' '.join(str(error).split())[:200]}") from None
    if missing:
        raise ModelError(
            f"it lacks {len(missing)} tensors, such as {missing[0]}: it is cut off or incomplete, get it again"
        )
    return module.eval()
