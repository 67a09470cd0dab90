"""What a picture says comes back as settings."""

from retrato.server.web.restoring import restored

AS_DRAWN = {"styles": [], "matrix": "off", "wildcards": "random"}


def test_what_a_picture_says_comes_back() -> None:
    said = {"Prompt": "a cat", "Steps": "20", "Seed": "7", "Size-1": "64", "CFG scale": "3.5", "Sampler": "LMS"}
    assert restored(said) == {
        "prompt": "a cat",
        "steps": 20,
        "seed": 7,
        "width": "64",
        "guidance_scale": "3.5",
        "sampler": "LMS",
        **AS_DRAWN,
    }


def test_words_that_were_chosen_are_not_chosen_again() -> None:
    assert restored({"Prompt": "a {cat|dog}"})["wildcards"] == "off"
    assert restored({"Prompt": "a cat", "Negative prompt": "__colour__"})["wildcards"] == "off"


def test_broken_numbers_are_left_out() -> None:
    assert restored({"Steps": "many", "Seed": "-1"}) == AS_DRAWN
