import dataclasses

from retrato.photos.advice import Figures, set_advice
from retrato.photos.framing import Framing
from retrato.photos.measure import Border, Light

VARIED = [Border((20.0 * at, 255 - 12.0 * at, 7.0 * at), 0.5) for at in range(20)]


MIX: list[Framing | None] = [*["full"] * 3, *["half"] * 5, *["close"] * 12]


def figures(framings: list[Framing | None], borders: list[Border] = VARIED) -> list[Figures]:
    return [
        Figures(kind, borders[at % 20], Light(100.0 + 5 * at, 0.1), (12.0 * at, 200.0 - 9 * at, 90.0), (at - 10) / 40)
        for at, kind in enumerate(framings)
    ]


def advice(framings: list[Framing | None], borders: list[Border] = VARIED, **names: list[str]) -> str:
    named = {"doubtful": [], "refused": []} | names
    return " ".join(set_advice(figures(framings, borders), **named))


def test_a_set_that_follows_the_advice_gets_none() -> None:
    assert advice(MIX) == ""


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
    said = advice(MIX, beach + VARIED[:6])
    assert "14 of 20 photos have about the same background (#f0dcb4): add some in other places" in said


def test_a_background_that_is_masked_teaches_nothing() -> None:
    white = [dataclasses.replace(each, border=None) for each in figures(MIX)]
    assert set_advice(white, doubtful=[], refused=[]) == []


def said_of(**same: object) -> str:
    return " ".join(set_advice([dataclasses.replace(each, **same) for each in figures(MIX)], doubtful=[], refused=[]))


def test_one_outfit_one_pose_and_one_light_are_named() -> None:
    assert "20 of 20 photos show clothes of about the same colour (#c01020)" in said_of(clothes=(192.0, 16.0, 32.0))
    assert "All 20 faces look the same way" in said_of(turn=0.02)
    assert "All photos are lit much alike" in said_of(light=Light(120.0, 0.1))
    assert said_of(clothes=None, turn=None) == ""  # what could not be told is no reason to complain


def about_turns(turns: list[float]) -> str:
    set_of = [dataclasses.replace(each, turn=turn) for each, turn in zip(figures(MIX), turns, strict=False)]
    return " ".join(set_advice(set_of, doubtful=[], refused=[]))


def test_one_pose_is_named_however_far_the_faces_turn_to_that_side_and_but_for_one() -> None:
    assert "All 8 faces look the same way" in about_turns([0.12, 0.15, 0.2, 0.24, 0.3, 0.33, 0.4, 0.8])
    assert "7 of 8 faces look the same way" in about_turns([-0.12, -0.15, -0.2, -0.24, -0.3, -0.33, -0.4, 0.02])
    assert "look the same way" not in about_turns([0.2, 0.3, 0.2, 0.3, -0.2, -0.3, -0.2, -0.3])
    assert "look the same way" not in about_turns([0.0, 0.05, -0.05, 0.02, 0.0, 0.2, 0.2, -0.2])


def test_many_photos_are_said_to_be_enough() -> None:
    assert "64 photos are many: the best 20" in advice((MIX * 4)[:64])
