from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, CLIPTokenizer

from retrato.errors import ModelError
from retrato.model.caption import load_captioner


def test_captions_are_the_same_every_time(tmp_path: Path, tokenizer_folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(str(tokenizer_folder))
    text = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "vocab_size": len(tokenizer), "encoder_hidden_size": 16, "max_position_embeddings": 64,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "sep_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 8,
    }  # fmt: skip
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))
    model.save_pretrained(tmp_path / "captioner")
    tokenizer.save_pretrained(tmp_path / "captioner")
    captioner = load_captioner(tmp_path, device="cpu")
    images = [Image.new("RGB", (50, 40), "red"), Image.new("RGB", (32, 32), "blue")]
    said = captioner.caption(images)
    assert len(said) == 2
    assert said == captioner.caption(images)
    assert all(caption and "<|" not in caption for caption in said)
    continued = captioner.caption(images, "a cat,")
    assert len(continued) == 2
    assert not any(caption.startswith("a cat") for caption in continued)
    assert captioner.beside(images[0]) == captioner.caption(images[:1], "a person,")[0]
    for spelled in ("A Cat,", "a cat's hat,"):  # the tokenizer gives neither back as it was written
        assert not any(caption.startswith("a cat") for caption in captioner.caption(images, spelled))


@pytest.mark.parametrize("words", [1, 9, 20, 100])
def test_a_start_of_many_words_leaves_room_for_the_caption(words: int) -> None:
    """The embedded captioner has 48 places, and people may describe whom they learn in 500 characters."""
    captioner = load_captioner("mini", device="cpu")
    (said,) = captioner.caption([Image.new("RGB", (64, 64), "red")], "a " + "old " * words + "man,")
    assert "man" not in said.split(",")[0]


def test_a_model_without_captioner_says_so(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="no captioner"):
        load_captioner(tiny_folder)


def test_a_blip_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", "a", "man", "in", "hat", "photo", "of"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"), bos_token="[DEC]")
    text = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "vocab_size": len(words), "encoder_hidden_size": 16, "max_position_embeddings": 64,
        "bos_token_id": 5, "eos_token_id": 2, "sep_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 8,
    }  # fmt: skip
    BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    said = load_captioner(tmp_path, device="cpu").caption([Image.new("RGB", (50, 40), "red")])
    assert len(said) == 1
    assert set(said[0].split()) <= set(words)
    assert "[" not in said[0]
