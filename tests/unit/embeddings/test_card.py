import base64
import io
import json
import zlib

import numpy
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.embeddings import Embedding, card_bytes, read_embedding
from retrato.embeddings import card as card_module
from retrato.embeddings.card import read_card
from retrato.errors import EmbeddingError

ONE = Embedding("ana", (torch.linspace(-0.1, 0.1, 32).reshape(2, 16),), 3000, "mini", "6ce0161689")


def mask(count):
    """Gives the mask one state at a time, as the format says."""
    state, nibbles = 0, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        nibbles.append(state % 255 & 15)
    return numpy.array(nibbles, dtype=numpy.uint8)


def with_text(payload):
    """Gives a PNG with `payload` (text, or anything that JSON can say) in the text chunk."""
    text = payload if isinstance(payload, str) else base64.b64encode(json.dumps(payload).encode()).decode()
    info = PngInfo()
    info.add_text("sd-ti-embedding", text)
    written = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(written, "PNG", pnginfo=info)
    return written.getvalue()


def with_pixels(squeezed, height=64):
    """Gives a PNG with the bytes `squeezed` hidden in its pixels, all written out as the format says."""
    data = numpy.frombuffer(squeezed, numpy.uint8)
    width = -(-len(data) // (height * 3))
    blocks = []
    for nibbles in (data & 15, data >> 4):
        filled = numpy.resize(nibbles, height * width * 3) ^ mask(height * width * 3)
        blocks.append(filled.reshape(height, width, 3).astype(numpy.uint8) | 0x50)
    black, white = numpy.zeros((height, 1, 3), numpy.uint8), numpy.full((height, 9, 3), 255, numpy.uint8)
    written = io.BytesIO()
    Image.fromarray(numpy.concatenate([blocks[0], black, white, black, blocks[1]], axis=1)).save(written, "PNG")
    return written.getvalue()


def test_stream_is_the_generators():
    assert card_module._stream(1000).tolist() == mask(1000).tolist()
    assert len(card_module._stream(0)) == 0


def test_reads_pixels_written_by_the_letter_of_the_format():
    payload = {"string_to_param": {"*": {"TORCHTENSOR": [[1.5, -2.0]]}}, "name": "ana", "step": 3}
    read = read_card(with_pixels(zlib.compress(json.dumps(payload).encode(), 9)))
    assert read["string_to_param"]["*"].tolist() == [[1.5, -2.0]]
    assert (read["name"], read["step"]) == ("ana", 3)


def test_pixels_are_written_by_the_letter_of_the_format():
    pixels = numpy.asarray(Image.open(io.BytesIO(card_bytes(ONE))))
    black = numpy.flatnonzero(~pixels.any(axis=(0, 2)))
    low, high = pixels[:, : black[0]].ravel() & 15, pixels[:, black[-1] + 1 :].ravel() & 15
    squeezed = ((high ^ mask(len(high))) << 4) | (low ^ mask(len(low)))
    payload = json.loads(zlib.decompressobj().decompress(squeezed.tobytes()))
    assert payload["string_to_param"]["*"]["TORCHTENSOR"] == ONE.vectors[0].tolist()
    assert (payload["name"], payload["sd_checkpoint"], payload["sd_checkpoint_name"]) == ("ana", "6ce0161689", "mini")


def test_shows_the_picture_under_a_caption():
    card = Image.open(io.BytesIO(card_bytes(ONE, Image.new("RGB", (64, 64), (10, 200, 30)))))
    left = (card.width - 512) // 2
    assert card.height == 512
    assert card.getpixel((card.width // 2, 256)) == (10, 200, 30)
    title, middle = (numpy.asarray(card.crop((left + 2, top, left + 510, top + 60))) for top in (8, 200))
    assert (title.min(axis=2) > 240).any()
    assert not (middle.min(axis=2) > 240).any()


@pytest.mark.parametrize("size", [(512, 64), (64, 512), (1, 1), (2000, 1500)])
def test_takes_pictures_of_any_shape(size, tmp_path):
    (tmp_path / "ana.png").write_bytes(card_bytes(ONE, Image.new("RGBA", size, "red")))
    assert torch.equal(read_embedding(tmp_path / "ana.png").vectors[0], ONE.vectors[0])


def test_draws_a_pattern_of_zeros_and_a_long_caption():
    zeros = Embedding("a" * 64, (torch.zeros(75, 8),), 10**9, "a model with a very long name " * 9, "0" * 64)
    assert read_card(card_bytes(zeros))["name"] == "a" * 64


def test_refuses_to_write_more_than_a_card_holds(monkeypatch):
    monkeypatch.setattr(card_module, "MAX_JSON", 100)
    with pytest.raises(EmbeddingError, match="write safetensors instead"):
        card_bytes(ONE)


@pytest.mark.parametrize(
    ("name", "result"),
    [("bia", "bia"), (None, "file"), (3, "file"), ("a" * 100_000, "file"), ("(bia:1.2)", "file"), ("", "file")],
)
def test_a_name_that_is_no_word_gives_way_to_the_files(name, result, tmp_path):
    payload = {"string_to_param": {"*": {"TORCHTENSOR": [[1.0, 2.0]]}}, "name": name}
    (tmp_path / "file.png").write_bytes(with_text(payload))
    assert read_embedding(tmp_path / "file.png").name == result


@pytest.mark.parametrize("name", ["../bia", "/etc/bia", "..\\bia", "a\0b"])
def test_a_name_that_is_a_path_is_refused(name, tmp_path):
    payload = {"string_to_param": {"*": {"TORCHTENSOR": [[1.0, 2.0]]}}, "name": name}
    (tmp_path / "file.png").write_bytes(with_text(payload))
    with pytest.raises(EmbeddingError, match="is a path"):
        read_embedding(tmp_path / "file.png")


def one(tensor):
    return {"string_to_param": {"*": {"TORCHTENSOR": tensor}}}


@pytest.mark.parametrize(
    "payload",
    [
        "not base64!",
        base64.b64encode(b"not json").decode(),
        base64.b64encode(b"[" * 100_000).decode(),
        base64.b64encode(b"\xff\xfe{").decode(),
        [],
        3,
        {},
        {"string_to_param": {"TORCHTENSOR": [1.0]}},
        one([]),
        one([[]]),
        one(3),
        one("text"),
        one([["a", "b"]]),
        one([[1.0], [1.0, 2.0]]),
        one([[10**400]]),
        one([[[1.0]]]),
        one([[1.0]] * 76),
        one([1.0] * 10_000),
        one([[float("inf")]]),
        {"string_to_param": {"*": [[1.0]]}},
        {"string_to_param": {"*": {"TORCHTENSOR": [[1.0]]}, "@": {"TORCHTENSOR": [[1.0]]}}},
    ],
    ids=range(21),
)
def test_refuses_strange_json(payload, tmp_path):
    (tmp_path / "file.png").write_bytes(with_text(payload))
    with pytest.raises(EmbeddingError):
        read_embedding(tmp_path / "file.png")


def test_refuses_json_that_is_all_brackets():
    with pytest.raises(EmbeddingError, match="nests too much"):
        read_card(with_text(base64.b64encode(b"[" + b"[]," * 100_000 + b"[]]").decode()))
    with pytest.raises(EmbeddingError, match="holds more than a table"):
        read_card(with_text(base64.b64encode(b'{"a":[' + b"0," * 400_001 + b"0]}").decode()))
    one, pair = (torch.ones(1, 4),), (torch.ones(1, 4), torch.ones(1, 8))
    assert read_card(card_bytes(Embedding("ana", one, metadata={"a": "[" * 200_000})))["metadata"] == {
        "a": "[" * 200_000
    }
    crowded = Embedding("ana", pair, metadata={"a": "[" * 500_000})  # their facts are packed as numbers
    with pytest.raises(EmbeddingError, match="write safetensors instead"):
        card_bytes(crowded)


def test_refuses_pixels_that_unpack_to_too_much():
    with pytest.raises(EmbeddingError, match="unpack to more than 5000000 bytes"):
        read_card(with_pixels(zlib.compress(bytes(50_000_000), 9)))


def test_refuses_pixels_that_are_cut_off():
    squeezed = zlib.compress(numpy.random.default_rng(0).bytes(5000), 9)
    with pytest.raises(EmbeddingError, match="get the original"):
        read_card(with_pixels(squeezed[:4000]))


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (Image.new("RGB", (64, 64)), "black"),
        (Image.new("RGB", (64, 64), "white"), "ordinary picture"),
        (Image.new("1", (3000, 3000)), "too large"),
    ],
)
def test_refuses_other_pictures(picture, reason):
    written = io.BytesIO()
    picture.save(written, "PNG")
    with pytest.raises(EmbeddingError, match=reason):
        read_card(written.getvalue())


def test_refuses_a_card_that_is_cut_off():
    content = card_bytes(ONE)
    for end in (0, 10, 40, len(content) // 2, len(content) - 100):
        with pytest.raises(EmbeddingError):
            read_card(content[:end])
