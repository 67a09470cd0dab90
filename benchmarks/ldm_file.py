"""A folder in diffusers layout as one checkpoint with LDM keys: what the single files that people share look like.

The way back from `retrato.model.single_file`, so that both can be measured against each other.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip


def ldm_tensors(folder: Path) -> dict[str, Tensor]:
    """Gives the tensors of the model in `folder` by their LDM names, with those that real files have besides."""
    index = json.loads((folder / "model_index.json").read_text())
    levels = len(json.loads((folder / "unet" / "config.json").read_text())["block_out_channels"])
    tensors = {f"model.diffusion_model.{unet_name(name, levels)}": value for name, value in _weights(folder / "unet")}
    for name, value in _weights(folder / "vae"):
        is_linear = "attentions" in name and value.ndim == 2
        tensors[f"first_stage_model.{vae_name(name)}"] = value[:, :, None, None] if is_linear else value
    first, second = folder / "text_encoder", folder / "text_encoder_2"
    act = json.loads((first / "config.json").read_text())["hidden_act"]
    if "text_encoder_2" in index:
        tensors |= _clip(first, "conditioner.embedders.0.transformer.text_model.")
        tensors |= _open_clip(second, "conditioner.embedders.1.model.")
    elif act == "gelu":
        tensors |= _open_clip(first, "cond_stage_model.model.", extra_layers=1)
    else:
        tensors |= _clip(first, "cond_stage_model.transformer.text_model.")
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return tensors | {"betas": betas, "alphas_cumprod": (1 - betas).cumprod(0)}


def unet_name(name: str, levels: int) -> str:
    """Gives the LDM name of a weight of diffusers' U-Net with two layers per block."""
    part, *rest = name.split(".")
    ends = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
    if part in ends:
        return ".".join([ends[part], *rest])
    if part == "time_embedding":
        return name.replace("time_embedding.linear_1", "time_embed.0").replace(
            "time_embedding.linear_2", "time_embed.2"
        )
    if part == "add_embedding":
        return name.replace("add_embedding.linear_1", "label_emb.0.0").replace(
            "add_embedding.linear_2", "label_emb.0.2"
        )
    if part == "mid_block":
        kind, number, *inner = rest
        return ".".join(["middle_block", "1" if kind == "attentions" else str(2 * int(number)), *_resnet(inner)])
    block, kind, number, *inner = rest
    if part == "down_blocks":
        if kind == "downsamplers":
            return ".".join([f"input_blocks.{3 * int(block) + 3}.0.op", *inner[1:]])
        return ".".join(
            [f"input_blocks.{1 + 3 * int(block) + int(number)}.{int(kind == 'attentions')}", *_resnet(inner)]
        )
    place = 3 * int(block) + int(number)
    if kind == "upsamplers":  # after the attention, where the block has one
        return ".".join([f"output_blocks.{3 * int(block) + 2}.{_place_of_upsampler(int(block), levels)}", *inner])
    return ".".join([f"output_blocks.{place}.{int(kind == 'attentions')}", *_resnet(inner)])


def vae_name(name: str) -> str:
    """Gives the LDM name of a weight of diffusers' VAE with four resolutions."""
    part, *rest = name.split(".")
    if part not in ("encoder", "decoder"):
        return name
    if rest[0] == "mid_block":
        if rest[1] == "resnets":
            return ".".join([part, f"mid.block_{int(rest[2]) + 1}", *rest[3:]])
        return ".".join([part, "mid.attn_1", VAE_ATTENTION[".".join(rest[3:-1])], rest[-1]])
    if rest[0] in ("conv_in", "conv_out"):
        return name
    if rest[0] == "conv_norm_out":
        return ".".join([part, "norm_out", *rest[1:]])
    block, kind, number, *inner = rest[1:]
    side, level = ("down", block) if part == "encoder" else ("up", str(3 - int(block)))
    if kind == "resnets":
        return ".".join([part, side, level, "block", number, *inner]).replace("conv_shortcut", "nin_shortcut")
    return ".".join([part, side, level, f"{side}sample", *inner])


def _place_of_upsampler(block: int, levels: int) -> int:
    """Stable Diffusion 1 and 2 begin going up without attention, XL ends so."""
    return 1 if levels == 4 and block == 0 else 2


def _resnet(inner: list[str]) -> list[str]:
    return (
        [RESNET[inner[0]], *inner[1:]]
        if inner[0] in RESNET and inner[-1] in ("weight", "bias") and len(inner) == 2
        else inner
    )


def _clip(folder: Path, prefix: str) -> dict[str, Tensor]:
    tensors = {f"{prefix}{name.removeprefix('text_model.')}": value for name, value in _weights(folder)}
    return tensors | {f"{prefix}embeddings.position_ids": torch.arange(77)[None]}


def _open_clip(folder: Path, prefix: str, extra_layers: int = 0) -> dict[str, Tensor]:
    """Joins queries, keys and values as open_clip has them; `extra_layers` are those that diffusers leaves out."""
    weights = {name.removeprefix("text_model."): value for name, value in _weights(folder)}
    count = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layers."))
    width = weights["final_layer_norm.weight"].numel()
    tensors = {
        f"{prefix}token_embedding.weight": weights["embeddings.token_embedding.weight"],
        f"{prefix}positional_embedding": weights["embeddings.position_embedding.weight"],
        f"{prefix}ln_final.weight": weights["final_layer_norm.weight"],
        f"{prefix}ln_final.bias": weights["final_layer_norm.bias"],
        f"{prefix}text_projection": weights.get("text_projection.weight", torch.eye(width)).T.contiguous(),
        f"{prefix}logit_scale": torch.tensor(4.6),
    }
    for layer in range(count + extra_layers):
        source = f"encoder.layers.{min(layer, count - 1)}."
        target = f"{prefix}transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            joined = torch.cat([weights[f"{source}self_attn.{name}_proj.{kind}"] for name in "qkv"])
            tensors[f"{target}attn.in_proj_{kind}"] = joined
            tensors |= {
                f"{target}{new}.{kind}": weights[f"{source}{old}.{kind}"].clone() for old, new in OPEN_CLIP.items()
            }
    return tensors


def _weights(folder: Path) -> Iterable[tuple[str, Tensor]]:
    from safetensors.torch import load_file

    for path in sorted(folder.glob("*.safetensors")):
        yield from load_file(path).items()
