import pytest

from retrato.training.report.page import counted, quoted, seconds_in_words, sentence


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.04, "0.0 s"), (8.44, "8.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (134, "2 min 14 s"),
     (3600, "1 h 0 min"), (7260, "2 h 1 min")],
)  # fmt: skip
def test_seconds_in_words(seconds: float, wanted: str) -> None:
    assert seconds_in_words(seconds) == wanted


def test_counted() -> None:
    assert [counted(number, "photo") for number in (0, 1, 20)] == ["0 photos", "1 photo", "20 photos"]


@pytest.mark.parametrize(("text", "wanted"), [("step 2 won", "Step 2 won."), ("Done!", "Done!"), ("", ".")])
def test_sentence(text: str, wanted: str) -> None:
    assert sentence(text) == wanted


def test_a_prompt_keeps_the_name_in_one_piece_and_the_rest_escaped() -> None:
    assert quoted("a <b> of ana, ana", "ana") == '<p class="prompt">a &lt;b&gt; of <b>ana</b>, <b>ana</b></p>'
