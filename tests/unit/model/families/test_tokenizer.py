import json
from pathlib import Path

import pytest
from transformers import AddedToken, CLIPTokenizer

from retrato.model.families import clip_tokenizer, clip_tokens, read_tokenizer


def test_it_is_clips_tokenizer() -> None:
    """Numbers that everybody knows from prompts of Stable Diffusion; `é` and `北` are spelled byte by byte or known."""
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of an Astronaut").input_ids == [49406, 320, 1125, 539, 550, 18376, 49407]
    assert tokenizer("é 北").input_ids == [49406, 4166, 161, 234, 501, 49407]
    assert (
        tokenizer.decode(tokenizer("a red   hat, please").input_ids, skip_special_tokens=True) == "a red hat , please"
    )


def test_padding_differs_between_families() -> None:
    assert clip_tokenizer().pad_token_id == 49407
    assert clip_tokenizer("!").pad_token_id == 0
    padded = clip_tokenizer("!")("a", padding="max_length").input_ids
    assert (len(padded), padded[3:]) == (77, [0] * 74)


def saved_as_one_file(folder: Path) -> None:
    """As transformers 5 saves it, with a token that somebody added."""
    made = clip_tokenizer()
    whole = CLIPTokenizer(vocab=made.get_vocab(), merges=made._merges, pad_token="!", model_max_length=77)
    whole.add_tokens([AddedToken("<ana>", normalized=False)])
    whole.save_pretrained(folder)


def saved_as_stable_diffusion_2_is(folder: Path) -> None:
    """As its folder on the hub: vocabulary and merges, and what fills up in a map of its own."""
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(clip_tokens())}))
    merges = [" ".join(pair) for pair in clip_tokenizer()._merges]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    said = {"model_max_length": 77, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "!"}))


def test_what_fills_up_is_a_word_in_texts_all_the_same(tmp_path: Path) -> None:
    usual, other = clip_tokenizer(), clip_tokenizer("!")
    assert usual("hi!!", add_special_tokens=False).input_ids == [1883, 748]
    for number, save in enumerate((saved_as_one_file, saved_as_stable_diffusion_2_is)):
        folder = tmp_path / str(number)
        folder.mkdir()
        save(folder)
        assert CLIPTokenizer.from_pretrained(folder)("hi!!", add_special_tokens=False).input_ids == [1883, 0, 0]
        read = read_tokenizer(folder)
        for tokenizer in (other, read):
            assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 49406, 49407)
            for text in ("hi!!", "a ! b", "wow!!! (x)!", "<|endoftext|>!", "!"):
                assert tokenizer(text).input_ids == usual(text).input_ids
    assert read_tokenizer(tmp_path / "0")("<ana>!", add_special_tokens=False).input_ids == [49408, 256]


@pytest.mark.parametrize("padding", ["<|endoftext|>", "<pad>"])
def test_another_token_that_fills_up_stays_what_it_is(tmp_path: Path, padding: str) -> None:
    made = clip_tokenizer()
    CLIPTokenizer(vocab=made.get_vocab(), merges=made._merges, pad_token=padding).save_pretrained(tmp_path)
    read = read_tokenizer(tmp_path)
    assert (read.pad_token, read.pad_token_id) == (padding, 49407 if padding == "<|endoftext|>" else 49408)
