"""Models with random weights in the architecture of each family of Stable Diffusion, at full or reduced width.

They draw noise, but load, compute and are saved like the real ones, which nobody may put into a repository.
"""

import json
from pathlib import Path

import torch

from mini.published_names import name_as_published

CHANNELS = {"sd1": (320, 640, 1280, 1280), "sd2": (320, 640, 1280, 1280), "xl": (320, 640, 1280)}
REDUCED = {"sd1": (32, 64, 96, 96), "sd2": (64, 128, 192, 192), "xl": (64, 128, 192)}


def save_random_model(
    folder: Path,
    family: str,
    *,
    is_reduced: bool,
    for_inpainting: bool = False,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> Path:
    """Saves a model of `family`, a key of retrato's FAMILIES, as a folder in diffusers layout, and gives that back.

    Depth is always the real one; a reduced model has narrow blocks and text encoders of 64 (XL: 64 and 128).
    """
    from retrato.model.families import FAMILIES, clip_tokenizer
    from retrato.model.quiet import import_quietly

    import_quietly()
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind, row = family.partition("-")[0], FAMILIES[family]
    channels = (REDUCED if is_reduced else CHANNELS)[kind]
    widths = {"sd1": (768,), "sd2": (1024,), "xl": (768, 1280)}[kind]
    widths = tuple(64 * (1 + place) for place in range(len(widths))) if is_reduced else widths
    layers = {"sd1": (12,), "sd2": (23,), "xl": (12, 32)}[kind]
    torch.manual_seed(seed)
    index: dict[str, object] = {
        "_class_name": "StableDiffusionXLPipeline" if kind == "xl" else "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "force_zeros_for_empty_prompt": row.zero_empty_negative,
    }
    for number, (spec, width, count) in enumerate(zip(row.text, widths, layers, strict=True)):
        suffix = f"_{number + 1}" if number else ""
        text = CLIPTextModelWithProjection if spec.is_pooled else CLIPTextModel
        config = CLIPTextConfig(
            vocab_size=49408, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=count,
            num_attention_heads=width // 64, max_position_embeddings=77, hidden_act=spec.activation,
            projection_dim=width, bos_token_id=0, eos_token_id=2, pad_token_id=1,
        )  # fmt: skip
        text(config).to(dtype).save_pretrained(folder / f"text_encoder{suffix}")
        name_as_published(folder / f"text_encoder{suffix}" / "model.safetensors")
        clip_tokenizer(spec.padding).save_pretrained(folder / f"tokenizer{suffix}")
        index |= {
            f"text_encoder{suffix}": ["transformers", text.__name__],
            f"tokenizer{suffix}": ["transformers", "CLIPTokenizer"],
        }
    is_xl, plain = kind == "xl", ("DownBlock2D", "UpBlock2D")
    down = [plain[0]] + ["CrossAttnDownBlock2D"] * 2 if is_xl else ["CrossAttnDownBlock2D"] * 3 + [plain[0]]
    unet = UNet2DConditionModel(
        sample_size=row.size // 8,
        in_channels=9 if for_inpainting else 4,
        block_out_channels=channels,
        down_block_types=down,
        up_block_types=[each.replace("Down", "Up") for each in reversed(down)],
        transformer_layers_per_block=(1, 2, 10) if is_xl else 1,
        cross_attention_dim=sum(widths),
        attention_head_dim=8 if kind == "sd1" else [each // 64 for each in channels],
        use_linear_projection=kind != "sd1",
        addition_embed_type="text_time" if is_xl else None,
        addition_time_embed_dim=256 if is_xl else None,
        projection_class_embeddings_input_dim=6 * 256 + widths[-1] if is_xl else None,
    )
    unet.to(dtype).save_pretrained(folder / "unet")
    AutoencoderKL(
        sample_size=row.size,
        block_out_channels=(32, 64, 96, 96) if is_reduced else (128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        scaling_factor=row.vae_scaling,
    ).to(dtype).save_pretrained(folder / "vae")
    DDIMScheduler(**row.scheduler_config).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
