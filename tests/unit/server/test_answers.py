"""JSON with pictures in it, in pieces."""

import base64
import json
import math
from typing import Any

import pytest

from retrato.server import answers
from retrato.server.answers import answer_with, in_pieces

SAID = [
    {},
    {"images": [], "parameters": {"steps": 20, "mask": None, "tiling": False, "cfg_scale": 7.5}, "info": '{"seed": 1}'},
    {"a b": ["", 'é \u2028 "quoted" \\ \n', "😀" * 20, ()], "c": [[1, [2]], {"d": [{}]}]},
]


@pytest.mark.parametrize("piece", [3, 6, answers.PIECE])
@pytest.mark.parametrize("said", SAID)
def test_pieces_together_are_what_was_said(monkeypatch: pytest.MonkeyPatch, said: Any, piece: int) -> None:
    monkeypatch.setattr(answers, "PIECE", piece)
    assert json.loads(b"".join(in_pieces(said))) == json.loads(json.dumps(said))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 100])
def test_bytes_are_base64(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(answers, "PIECE", 6)
    picture = bytes(range(length))
    written = json.loads(b"".join(in_pieces({"images": [picture, picture]})))
    assert written == {"images": [base64.b64encode(picture).decode()] * 2}


def test_no_piece_is_large_and_few_are_small() -> None:
    """What holds a picture twice as large takes twice as many steps, and none of them longer."""
    many = {"images": [bytes(3 * answers.PIECE + 1)] * 2, "parameters": {"init_images": ["A" * 3 * answers.PIECE]}}
    pieces = [len(piece) for piece in in_pieces(many)]
    assert max(pieces) <= 3 * answers.PIECE
    assert min(pieces[:-1]) >= answers.PIECE
    assert len(list(in_pieces({str(number): [number] for number in range(100)}))) == 1


def test_what_json_has_no_word_for_does_not_break_an_answer_off() -> None:
    assert json.loads(b"".join(in_pieces({"a": math.nan, "b": "\ud800"}))) == {"a": None, "b": "\ud800"}


def test_the_answer_says_what_it_is() -> None:
    assert answer_with({}).headers["content-type"] == "application/json"
