"""Says of which family an LDM checkpoint is, by the names and shapes of its tensors, or what else a file is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from retrato.errors import ModelError
from retrato.model.families.configs import IS_EDM, UNET, VAE, Shapes
from retrato.model.families.table import FAMILIES, SD1, SD2, XL, Family

EDM_KEYS = ("edm_mean", "edm_vpred.sigma_max")  # of Playground 2.5, and of CosXL


def find_family(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> str | None:
    """Gives the key in FAMILIES; `sd2` also where only trying can tell whether it predicts v. None where it is none."""
    said = metadata or {}
    if not _has(shapes, UNET):
        return None
    predicts_v = "v_pred" in shapes or said.get("modelspec.prediction_type") == "v"
    predicts_v |= said.get("modelspec.architecture") == "stable-diffusion-v2-768-v"
    for key, family in (("xl", XL), ("sd2", SD2), ("sd1", SD1)):
        if all(_has(shapes, spec.prefix) for spec in family.text):
            return f"{key}-v" if predicts_v else key
    return None


def require_family(
    shapes: Shapes, metadata: Mapping[str, str] | None = None, wanted: str = "auto"
) -> tuple[str, Family]:
    """Gives the key and the row of FAMILIES; `wanted` names another one, for what the tensors do not say.

    Raises ModelError with one sentence that says what the file is instead, what it lacks, or why `wanted` cannot be.
    """
    if wanted != "auto" and wanted not in FAMILIES:
        raise ModelError(f"there is no family {wanted!r}: choose auto, {', '.join(FAMILIES)}")
    found = find_family(shapes, metadata)
    if found is None:
        raise ModelError(describe_other(shapes))
    if marks := [key for key in EDM_KEYS if key in shapes]:
        raise ModelError(f"it holds {marks[0]}: {IS_EDM}")
    if wanted == "auto":
        return found, FAMILIES[found]
    if FAMILIES[wanted].text != FAMILIES[found].text:
        raise ModelError(f"its tensors are those of {FAMILIES[found].title}, so it cannot be read as {wanted}")
    return wanted, FAMILIES[wanted]


def describe_other(keys: Collection[str]) -> str:
    """Gives a sentence, without its subject, about a file of tensors that is no whole Stable Diffusion checkpoint."""
    return next(sentence for holds, sentence in OTHERS if holds(keys))


def _has(keys: Collection[str], *prefixes: str) -> bool:
    return any(key.startswith(prefixes) for key in keys)


def _holds(*parts: str) -> Callable[[Collection[str]], bool]:
    return lambda keys: any(part in key for key in keys for part in parts)


def _only_unet(keys: Collection[str]) -> bool:
    return _has(keys, UNET)


OTHERS: tuple[tuple[Callable[[Collection[str]], bool], str], ...] = (
    (lambda keys: not keys, "it holds no tensors: download it again"),
    (
        _holds("lora_up", "lora_down", "lora_A", "lora_B", "_lora.", "hada_w1", "lokr_w"),
        "it is a LoRA, not a base model: give a checkpoint with --model",
    ),
    (
        lambda keys: bool({"emb_params", "clip_l", "clip_g", "string_to_param"} & set(keys)),
        "it is an embedding, not a base model: put it into the folder `embeddings` and name it in a prompt",
    ),
    (
        _holds("control_model.", "input_hint_block", "controlnet_cond"),
        "it is a ControlNet, not a base model: retrato has no use for it",
    ),
    (_holds("motion_modules"), "it is a motion module for animations, not a base model: retrato has no use for it"),
    (_holds("double_blocks.", "double_layers."), "it is a Flux-like model: retrato takes Stable Diffusion 1, 2 and XL"),
    (
        _holds("joint_blocks.", "text_encoders.clip_g."),
        "it is Stable Diffusion 3: retrato takes Stable Diffusion 1, 2 and XL",
    ),
    (
        lambda keys: _has(keys, UNET) and _has(keys, "conditioner.embedders.0.model."),
        "it is the refiner of Stable Diffusion XL, which only finishes pictures: give the base model",
    ),
    (
        _only_unet,
        "it has a U-Net and no text encoder that retrato knows: a part was left out, or it is a newer model",
    ),
    (
        _holds("down_blocks.0.resnets", "add_embedding.linear_1"),
        "it is one part of a folder in diffusers layout: give the folder that has model_index.json",
    ),
    (
        lambda keys: _has(keys, VAE, "encoder.down.", "decoder.up."),
        "it is a VAE, not a base model: give it with --vae beside a model",
    ),
    (
        _holds("encoder.layers.0.self_attn", "resblocks.0"),
        "it is a text encoder alone, not a base model: give the whole checkpoint",
    ),
    (
        lambda keys: (
            {key.split(".")[0] for key in keys}
            <= {
                "320",
                "640",
                "768",
                "1024",
                "1280",
                "step",
                "name",
                "layer_structure",
                "activation_func",
                "is_layer_norm",
                "weight_initialization",
                "sd_checkpoint",
                "sd_checkpoint_name",
                "use_dropout",
                "last_layer_dropout",
                "activate_output",
                "dropout_structure",
                "optional_info",
            }
        ),
        "it is a hypernetwork, not a base model: put it into the folder `hypernetworks`",
    ),
    (
        lambda keys: True,
        "its tensors are those of no Stable Diffusion model: retrato takes Stable Diffusion 1, 2 and XL",
    ),
)
