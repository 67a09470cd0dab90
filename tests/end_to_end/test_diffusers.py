"""diffusers takes the file as the README says, and draws from the very same vectors."""

from pathlib import Path

import pytest
import torch

from retrato.embeddings import Embedding, write_embedding
from retrato.model import Components


@pytest.mark.parametrize("layout", ["safetensors", "diffusers"])
def test_load_textual_inversion_takes_the_file(
    layout: str, tiny_folder: Path, tiny_components: Components, tmp_path: Path
) -> None:
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel, CLIPTokenizer

    pipeline = StableDiffusionPipeline(
        vae=tiny_components.vae,
        text_encoder=CLIPTextModel.from_pretrained(tiny_folder / "text_encoder"),  # it will grow by two tokens
        tokenizer=CLIPTokenizer.from_pretrained(tiny_folder / "tokenizer"),
        unet=tiny_components.unet,
        scheduler=DDIMScheduler.from_config({**tiny_components.scheduler_config, "steps_offset": 1}),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    embedding = Embedding("ana-1", (torch.randn(2, 32, generator=torch.manual_seed(0)),))
    file = write_embedding(embedding, tmp_path / "ana-1.safetensors", layout)
    pipeline.load_textual_inversion(str(file), token="ana-1")
    tokens = pipeline.tokenizer.convert_tokens_to_ids(["ana-1", "ana-1_1"])
    assert torch.equal(pipeline.text_encoder.get_input_embeddings().weight[tokens], embedding.vectors[0])
    drawn = pipeline("a portrait of ana-1", num_inference_steps=2, height=64, width=64, output_type="np").images
    assert drawn.shape == (1, 64, 64, 3)


def test_of_xl_each_text_encoder_takes_its_vectors_as_the_documentation_says(
    tiny_xl_folder: Path, tmp_path: Path
) -> None:
    from diffusers import StableDiffusionXLPipeline
    from safetensors.torch import load_file

    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_xl_folder, local_files_only=True)
    source = torch.manual_seed(0)
    embedding = Embedding("ana-1", (torch.randn(2, 32, generator=source), torch.randn(2, 48, generator=source)))
    vectors = load_file(write_embedding(embedding, tmp_path / "ana-1.safetensors", "safetensors"))
    both = ((pipeline.text_encoder, pipeline.tokenizer), (pipeline.text_encoder_2, pipeline.tokenizer_2))
    for key, expected, (encoder, tokenizer) in zip(("clip_l", "clip_g"), embedding.vectors, both, strict=True):
        pipeline.load_textual_inversion(vectors[key], token="ana-1", text_encoder=encoder, tokenizer=tokenizer)
        tokens = tokenizer.convert_tokens_to_ids(["ana-1", "ana-1_1"])
        assert torch.equal(encoder.get_input_embeddings().weight[tokens], expected)
