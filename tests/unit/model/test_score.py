from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from retrato.errors import ModelError
from retrato.model.score import Scorer, load_scorer


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Scorer:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 8, "projection_dim": 12,
    }  # fmt: skip
    tokenizer = CLIPTokenizer.from_pretrained(str(tokenizer_folder))
    text = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "vocab_size": len(tokenizer), "max_position_embeddings": 20, "projection_dim": 12,
        "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id,
    }  # fmt: skip
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    clip.save_pretrained(folder / "scorer" / "text_image")
    tokenizer.save_pretrained(folder / "scorer" / "text_image")
    CLIPVisionModelWithProjection(CLIPVisionConfig(**vision)).save_pretrained(folder / "scorer" / "identity")
    return load_scorer(folder, device="cpu")


def test_everything_has_unit_length(scorer: Scorer) -> None:
    images = [Image.effect_noise((40, 30), 90).convert("RGB"), Image.new("RGB", (32, 32), "red")]
    for found in (
        scorer.embed_identity(images),
        scorer.embed_images(images),
        scorer.embed_texts(["a man", "a red cat " * 50]),
    ):
        assert found.shape == (2, 12)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
        assert not torch.allclose(found[0], found[1])


def test_parts_equal_the_whole(scorer: Scorer) -> None:
    images = [Image.new("RGB", (32, 32), (number * 6, 90, 20)) for number in range(40)]
    torch.testing.assert_close(scorer.embed_images(images)[39:], scorer.embed_images(images[39:]))


def test_a_tensor_that_is_missing_is_not_made_up(scorer: Scorer, tmp_path: Path) -> None:
    folder = tmp_path / "scorer"
    scorer.text_image.model.save_pretrained(folder / "text_image")
    scorer.identity.model.save_pretrained(folder / "identity")
    file = folder / "identity/model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if name != "visual_projection.weight"}, file)
    with pytest.raises(ModelError, match=r"identity lacks visual_projection\.weight: get it again"):
        load_scorer(tmp_path, device="cpu")


def test_a_model_without_scorer_says_so(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="no scorer"):
        load_scorer(tiny_folder)
