from retrato.photos.advice import set_advice
from retrato.photos.framing import Framing
from retrato.photos.measure import Border

VARIED = [Border((20.0 * at, 255 - 12.0 * at, 7.0 * at), 0.5) for at in range(20)]


def advice(framings: list[Framing | None], borders: list[Border] = VARIED, **names: list[str]) -> str:
    named = {"doubtful": [], "refused": []} | names
    return " ".join(set_advice(framings, borders[: len(framings)], **named))


def test_a_set_that_follows_the_advice_gets_none() -> None:
    assert advice(["full"] * 3 + ["half"] * 5 + ["close"] * 12) == ""


def test_few_photos_and_files_by_name() -> None:
    said = advice(["full", "half", "close", "close"], refused=["a.jpg"], doubtful=[f"{at}.png" for at in range(6)])
    assert "a.jpg cannot be used: replace or remove it" in said
    assert "Look at 0.png, 1.png, 2.png, 3.png and 2 more" in said
    assert "4 usable photos are few: about 20" in said


def test_missing_framings_are_named_only_when_most_are_known() -> None:
    assert "Add full-body and half-body photos: found 0 full-body, 0 half-body, 20 close-up" in advice(["close"] * 20)
    said = advice([None] * 11 + ["close"] * 9)
    assert "11 of 20 photos show could not be told without a face finder" in said
    assert "Add" not in said


def test_one_background_for_most() -> None:
    beach = [Border((240, 220, 180), 0.9)] * 14
    said = advice(["full"] * 3 + ["half"] * 5 + ["close"] * 12, beach + VARIED[:6])
    assert "14 of 20 photos have about the same background (#f0dcb4): add some in other places." in said
