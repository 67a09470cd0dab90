from retrato.model.families import clip_tokenizer


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
