"""Whatever is written is read back the same, and whatever is read either is an embedding or gives a sentence."""

import itertools
import tempfile
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrato.embeddings import FORMATS, Embedding, blend, check_name, read_embedding, write_embedding
from retrato.embeddings.formats import READERS
from retrato.errors import EmbeddingError

GOLDEN = Path(__file__).parents[1] / "golden" / "data" / "embeddings"
NAMES = st.from_regex(r"\A[\w][\w .-]{0,10}\Z")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def embeddings(draw, name=None):
    """Gives any embedding: one or two encoders, every kind of finite float32, any provenance."""
    rows = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32))
    vectors = []
    for width in draw(st.lists(st.sampled_from([1, 7, 192]), min_size=1, max_size=2)):
        bits = numpy.random.default_rng(seed).integers(0, 2**32, (rows, width), dtype=numpy.uint32)
        values = torch.from_numpy(bits.view(numpy.float32))
        values = torch.where(values.isfinite(), values, torch.zeros(()))  # every exponent there is, also the subnormal
        values[0, 0] = draw(FLOATS)
        vectors.append(values)
    metadata = draw(st.dictionaries(TEXTS.filter(lambda key: key not in ("name", "step")), TEXTS, max_size=4))
    step, base_model, base_model_hash = (draw(st.none() | kind) for kind in (st.integers(0, 2**40), TEXTS, TEXTS))
    return Embedding(name or "ana", tuple(vectors), step, base_model, base_model_hash, metadata)


def assert_same(one, other):
    assert one.name == other.name
    assert one.dims == other.dims
    for mine, theirs in zip(one.vectors, other.vectors, strict=True):
        assert mine.numpy().tobytes() == theirs.numpy().tobytes()
    assert (one.step, one.base_model, one.base_model_hash) == (other.step, other.base_model, other.base_model_hash)
    assert one.metadata == other.metadata


@pytest.mark.parametrize("ways", list(itertools.product(FORMATS, repeat=2)), ids=" to ".join)
@settings(max_examples=5, deadline=None)
@given(embedding=embeddings())
def test_any_way_through_the_formats_keeps_every_bit(embedding, ways):
    with tempfile.TemporaryDirectory() as folder:
        carried = embedding
        for format in ways:
            path = write_embedding(carried, Path(folder, f"ana{FORMATS[format].suffix}"), format)
            carried = read_embedding(path)
    assert_same(carried, embedding)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files_give_an_embedding_or_a_sentence(data):
    sources = sorted(path for path in GOLDEN.iterdir() if path.suffix in READERS and 0 < path.stat().st_size < 8000)
    source = data.draw(st.sampled_from(sources))
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 600)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not content:
            break
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, source.name)
        path.write_bytes(content)
        try:
            result = read_embedding(path).dims
        except EmbeddingError as error:
            result = str(error)
        assert isinstance(result, tuple) or result.startswith(source.name)


@given(st.text(max_size=70) | NAMES, st.booleans())
def test_a_checked_name_stays_and_is_one_part_of_a_path(name, is_found):
    try:
        checked = check_name(name, is_found=is_found)
    except EmbeddingError:
        return
    assert check_name(checked, is_found=is_found) == checked
    assert Path(checked).name == checked
    assert not checked.endswith((".", " "))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.floats(-2, 2, width=32))
def test_a_blend_of_one_with_itself_is_itself(rows, weight):
    embedding = Embedding("ana", (torch.linspace(-1, 1, rows * 8).reshape(rows, 8),))
    mixed = blend([embedding, embedding], [weight, 1 - weight], "both")
    assert torch.allclose(mixed.vectors[0], embedding.vectors[0], atol=1e-6)
