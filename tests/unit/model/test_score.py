import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPVisionModelWithProjection

from retrato.errors import ModelError
from retrato.model.score import Scorer, load_scorer


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory, clip_folder: Path) -> Scorer:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    shutil.copytree(clip_folder, folder / "scorer" / "text_image")
    vision = CLIPModel.from_pretrained(str(clip_folder)).config.vision_config
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "scorer" / "identity")
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
    assert scorer.identity is not None
    scorer.identity.model.save_pretrained(folder / "identity")
    file = folder / "identity/model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if name != "visual_projection.weight"}, file)
    with pytest.raises(ModelError, match=r"identity lacks visual_projection\.weight: get it again"):
        load_scorer(tmp_path, device="cpu")


def test_a_model_without_scorer_says_so(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="no scorer"):
        load_scorer(tiny_folder)


def test_a_clip_model_is_a_scorer_for_both(clip_folder: Path) -> None:
    """Both are what transformers itself computes from the files."""
    images = [Image.effect_noise((40, 30), 90).convert("RGB"), Image.new("RGB", (32, 32), "red")]
    scorer = load_scorer(clip_folder, device="cpu")
    clip, processor = (
        CLIPModel.from_pretrained(str(clip_folder)),
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32, image_mean=[0.5] * 3, image_std=[0.3] * 3),
    )
    square = [image.crop((5, 0, 35, 30)) if image.width == 40 else image for image in images]
    pixels = processor(square, return_tensors="pt")
    expected = clip.get_image_features(**pixels).pooler_output
    torch.testing.assert_close(scorer.embed_images(images), torch.nn.functional.normalize(expected), atol=2e-2, rtol=0)
    assert torch.equal(scorer.embed_identity(images), scorer.embed_images(images))
    tokens = scorer.tokenizer(["a man"], padding="max_length", max_length=20, return_tensors="pt")
    said = torch.nn.functional.normalize(clip.get_text_features(**tokens).pooler_output)
    torch.testing.assert_close(scorer.embed_texts(["a man"]), said)
