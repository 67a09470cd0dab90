"""The configurations that diffusers and transformers need, read from the shapes of an LDM checkpoint's tensors.

A family says only what shapes do not tell (see `table`). Knows nothing of files and weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrato.errors import ModelError
from retrato.model.families.table import Family, TextSpec

UNET, VAE = "model.diffusion_model.", "first_stage_model."
HEAD_CHANNELS = 64  # of one attention head, in open_clip, CLIP and the U-Nets of Stable Diffusion 2 and XL
SKIPPED_LAYERS = 23  # what is left of Stable Diffusion 2's text encoder; some programs write files without the last

WANTS_MORE = "its U-Net wants more than a text, such as a picture (unCLIP): retrato has no use for it"
IS_EDM = (
    "it is an EDM model, as Playground 2.5 and CosXL are, whose noise is another one; retrato takes Stable Diffusion "
    "1, 2 and XL"
)

Shapes = Mapping[str, tuple[int, ...]]


def unet_config(shapes: Shapes, family: Family) -> dict[str, Any]:
    """Gives the arguments of UNet2DConditionModel for the U-Net in `shapes`; raises ModelError where it is cut."""
    first = _shape(shapes, f"{UNET}input_blocks.0.0.weight")
    levels = _levels(shapes)
    channels = [level[0][0] for level in levels]
    depths = [level[0][1] for level in levels]
    keys = [key for key in shapes if key.startswith(UNET) and key.endswith(".attn2.to_k.weight")]
    if not keys:
        raise ModelError("its U-Net has no attention to a text: it is not Stable Diffusion")
    block = keys[0].partition(".transformer_blocks.")[0]
    given = _shape(shapes, f"{UNET}out.2.weight")[0]
    check_channels(first[1], given)
    config: dict[str, Any] = {
        "sample_size": family.size // 8,
        "in_channels": first[1],
        "out_channels": given,
        "block_out_channels": tuple(channels),
        "layers_per_block": len(levels[0]),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
        "up_block_types": tuple("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)),
        "transformer_layers_per_block": tuple(max(1, depth) for depth in depths),
        "cross_attention_dim": _shape(shapes, keys[0])[1],
        "attention_head_dim": family.heads or tuple(max(1, each // HEAD_CHANNELS) for each in channels),
        "use_linear_projection": len(_shape(shapes, f"{block}.proj_in.weight")) == 2,
    }
    if f"{UNET}label_emb.0.0.weight" in shapes:
        pooled = [_projection(shapes, spec) for spec in family.text if spec.is_pooled]
        if not pooled:
            raise ModelError(WANTS_MORE)
        width = _shape(shapes, f"{UNET}label_emb.0.0.weight")[1]
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (width - pooled[0]) // 6,  # height, width, two of the crop, height, width again
            "projection_class_embeddings_input_dim": width,
        }
    return config


def check_channels(taken: int, given: int) -> None:
    """Raises ModelError where a U-Net takes other channels than the latents that it gives, and a mask and a picture."""
    if taken not in (given, 2 * given + 1):
        raise ModelError(
            f"its U-Net takes {taken} channels, not {given}, or {2 * given + 1} as for inpainting: it was made for "
            "something else, such as depth, instructions or upscaling"
        )


def check_configs(unet: Mapping[str, Any], vae: Mapping[str, Any], scheduler: Mapping[str, Any]) -> None:
    """Raises ModelError where a folder's configurations are those of another kind of model that looks like these."""
    check_channels(int(unet.get("in_channels", 4)), int(unet.get("out_channels", 4)))
    wants_more = unet.get("class_embed_type") is not None or unet.get("num_class_embeds") is not None
    if wants_more or unet.get("addition_embed_type") not in (None, "text_time"):
        raise ModelError(WANTS_MORE)
    name = str(scheduler.get("_class_name"))
    if name.startswith("EDM"):
        raise ModelError(f"its scheduler is {name}: {IS_EDM}")
    if name.startswith("FlowMatch"):
        raise ModelError(
            f"its scheduler is {name}: it is a flow model, as Stable Diffusion 3 and Flux are; retrato takes Stable "
            "Diffusion 1, 2 and XL"
        )
    check_vae(vae)
    if (predicts := scheduler.get("prediction_type", "epsilon")) not in ("epsilon", "v_prediction"):
        raise ModelError(f"its U-Net predicts {str(predicts)[:40]!r}: retrato takes models of epsilon and v_prediction")


def check_vae(vae: Mapping[str, Any]) -> None:
    """Raises ModelError for the configuration of a VAE whose latents are not only scaled."""
    if vae.get("latents_mean") is not None:
        raise ModelError(
            "its VAE moves each channel of the latents by a mean of its own (latents_mean), as that of Playground 2.5 "
            "does: retrato takes those of Stable Diffusion 1, 2 and XL"
        )


def vae_config(shapes: Shapes, family: Family) -> dict[str, Any]:
    """Gives the arguments of AutoencoderKL for the VAE in `shapes`, whose keys begin with `first_stage_model.`.

    What follows are LDM's names or diffusers' (see `is_vae_of_diffusers`). Raises ModelError where it is cut.
    """
    down, blocks = f"{VAE}encoder.down.", "block."
    if is_vae_of_diffusers(shapes):
        down, blocks = f"{VAE}encoder.down_blocks.", "resnets."
    levels = max(1, _count(shapes, down))
    channels = tuple(_shape(shapes, f"{down}{level}.{blocks}0.conv1.weight")[0] for level in range(levels))
    return {
        "sample_size": family.size,
        "block_out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": _count(shapes, f"{down}0.{blocks}"),
        "latent_channels": _shape(shapes, f"{VAE}decoder.conv_in.weight")[1],
        "scaling_factor": family.vae_scaling,
        "force_upcast": family.vae_scaling != 0.18215,  # XL's overflows in float16
    }


def text_config(shapes: Shapes, spec: TextSpec) -> dict[str, Any]:
    """Gives the arguments of CLIPTextConfig for the text encoder that `spec` describes; raises ModelError."""
    if spec.layout == "clip":
        prefix = f"{spec.prefix}text_model."
        if not any(key.startswith(prefix) for key in shapes):  # some programs write it without
            prefix = spec.prefix
        tokens, positions = (f"{prefix}embeddings.{name}_embedding.weight" for name in ("token", "position"))
        layers, inner = f"{prefix}encoder.layers.", f"{prefix}encoder.layers.0.mlp.fc1.weight"
    else:
        tokens, positions = f"{spec.prefix}token_embedding.weight", f"{spec.prefix}positional_embedding"
        layers, inner = f"{spec.prefix}transformer.resblocks.", f"{spec.prefix}transformer.resblocks.0.mlp.c_fc.weight"
    vocabulary, width = _shape(shapes, tokens)[:2]
    count = _count(shapes, layers)
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": _shape(shapes, inner)[0],
        "num_hidden_layers": count - 1 if spec.skips_last_layer and count != SKIPPED_LAYERS else count,
        "num_attention_heads": max(1, width // HEAD_CHANNELS),
        "max_position_embeddings": _shape(shapes, positions)[0],
        "hidden_act": spec.activation,
        "projection_dim": _projection(shapes, spec) if spec.is_pooled else width,
        # As in the files that OpenAI published: transformers then looks for the largest token number, the end token.
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }


def is_vae_of_diffusers(shapes: Shapes) -> bool:
    """Says whether the VAE's tensors are named as diffusers names them."""
    return any(key.startswith(f"{VAE}encoder.down_blocks.") for key in shapes)


def _levels(shapes: Shapes) -> list[list[tuple[int, int]]]:
    """Gives for each resolution its blocks on the way down: (channels, depth of the attention, 0 for none)."""
    levels: list[list[tuple[int, int]]] = [[]]
    for block in range(1, _count(shapes, f"{UNET}input_blocks.")):
        prefix = f"{UNET}input_blocks.{block}."
        if f"{prefix}0.op.weight" in shapes:
            levels.append([])
        else:
            depth = _count(shapes, f"{prefix}1.transformer_blocks.")
            levels[-1].append((_shape(shapes, f"{prefix}0.in_layers.2.weight")[0], depth))
    if not all(levels) or len({len(level) for level in levels}) > 1:
        raise ModelError("its U-Net has not the same number of blocks at each resolution: it is cut off or no model")
    return levels


def _count(shapes: Shapes, prefix: str) -> int:
    """Gives how many numbered children `prefix` has: one more than the highest number."""
    numbers = {key[len(prefix) :].partition(".")[0] for key in shapes if key.startswith(prefix)}
    return max((int(number) + 1 for number in numbers if number.isdecimal() and len(number) < 4), default=0)


def _projection(shapes: Shapes, spec: TextSpec) -> int:
    """Gives the width of the pooled text. open_clip multiplies from the right, so it is the last one of the shape.

    Files of diffusers' script for XL have the layer's own matrix, under its own name, the other way round.
    """
    key = f"{spec.prefix}text_projection"
    return _shape(shapes, f"{key}.weight")[0] if f"{key}.weight" in shapes else _shape(shapes, key)[1]


def _shape(shapes: Shapes, key: str) -> tuple[int, ...]:
    shape = shapes.get(key)
    if not shape or len(shape) < 2 or 0 in shape:
        raise ModelError(f"its tensor {key} is missing or has no size: it is cut off or incomplete, get it again")
    return shape
