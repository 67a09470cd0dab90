"""The families of Stable Diffusion as data: what a checkpoint's tensors do not say by their shapes.

Sizes and depths are read from the tensors (see `configs`), so that slimmed and widened models load too.
Sources: the configuration files that CompVis and Stability AI published with the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from retrato.model.families.tokenizer import END

Layout = Literal["clip", "open_clip"]


@dataclass(frozen=True, slots=True)
class TextSpec:
    """A text encoder in an LDM checkpoint: where its keys begin, whose names they are, and what shapes do not tell.

    `skips_last_layer`: Stable Diffusion 2 was trained on the last but one layer, and the last one is dropped.
    `is_pooled`: the U-Net also gets this encoder's projected end-of-text vector.
    """

    prefix: str
    layout: Layout
    activation: str
    padding: str
    skips_last_layer: bool = False
    is_pooled: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of Stable Diffusion: its title, side of a picture, what its U-Net predicts, and its fixed numbers.

    `heads` is the number of attention heads of each block, None where each head has 64 channels.
    """

    title: str
    size: int
    prediction_type: Literal["epsilon", "v_prediction"]
    text: tuple[TextSpec, ...]
    heads: int | None
    vae_scaling: float = 0.18215
    zero_empty_negative: bool = False

    @property
    def scheduler_config(self) -> dict[str, object]:
        """The noise schedule that all of them were trained with."""
        return {
            "num_train_timesteps": 1000,
            "beta_schedule": "scaled_linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "clip_sample": False,
            "set_alpha_to_one": False,
            "steps_offset": 1,
            "prediction_type": self.prediction_type,
        }


CLIP_L = TextSpec("cond_stage_model.transformer.", "clip", "quick_gelu", END)
OPEN_CLIP_H = TextSpec("cond_stage_model.model.", "open_clip", "gelu", "!", skips_last_layer=True)
XL_CLIP_L = replace(CLIP_L, prefix="conditioner.embedders.0.transformer.")
XL_OPEN_CLIP_G = TextSpec("conditioner.embedders.1.model.", "open_clip", "gelu", "!", is_pooled=True)

SD1 = Family("Stable Diffusion 1", 512, "epsilon", (CLIP_L,), heads=8)
SD2 = Family("Stable Diffusion 2", 512, "epsilon", (OPEN_CLIP_H,), heads=None)
XL = Family(
    "Stable Diffusion XL", 1024, "epsilon", (XL_CLIP_L, XL_OPEN_CLIP_G), None, 0.13025, zero_empty_negative=True
)
FAMILIES: Mapping[str, Family] = {
    "sd1": SD1,
    "sd1-v": replace(SD1, title="Stable Diffusion 1 (v-prediction)", prediction_type="v_prediction"),
    "sd2": SD2,
    "sd2-v": replace(SD2, title="Stable Diffusion 2 (v-prediction)", size=768, prediction_type="v_prediction"),
    "xl": XL,
    "xl-v": replace(XL, title="Stable Diffusion XL (v-prediction)", prediction_type="v_prediction"),
}
