import json
import struct

import pytest
import safetensors.torch
import torch

from retrato.embeddings.embedding import Embedding
from retrato.embeddings.safetensors_file import read_safetensors, safetensors_bytes
from retrato.errors import EmbeddingError


def lying(header, data=b"\0" * 16):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**changes):
    return {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16], **changes}


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8],
)
@pytest.mark.parametrize("shape", [(1, 4), (4,)])
def test_reads_every_number_type_as_float32(dtype, shape):
    content = safetensors.torch.save({"<ana>": torch.tensor([[1, -2, 3, 4]]).reshape(shape).to(dtype)})
    embedding = read_safetensors(content, "ana")
    assert embedding.vectors[0].dtype == torch.float32
    assert embedding.vectors[0].tolist() == [[1.0, -2.0, 3.0, 4.0]]


def test_keeps_foreign_metadata_and_takes_its_own():
    metadata = {"step": "12", "name": "other", "base_model": "sd", "base_model_hash": "1", "format": "pt"}
    embedding = read_safetensors(safetensors.torch.save({"emb_params": torch.ones(1, 4)}, metadata), "ana")
    assert (embedding.name, embedding.step, embedding.base_model, embedding.base_model_hash) == ("ana", 12, "sd", "1")
    assert embedding.metadata == {"format": "pt"}


@pytest.mark.parametrize("step", ["", "-1", "twelve", "²", "9" * 5000])
def test_a_step_that_is_no_count_is_unknown(step):
    content = safetensors.torch.save({"emb_params": torch.ones(1, 4)}, {"step": step})
    assert read_safetensors(content, "ana").step is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header of 0 bytes"),
        (b"\xff" * 20, "header of"),
        (struct.pack("<Q", 2_000_000) + b" " * 2_000_000, "header of 2000000 bytes"),
        (lying(b"[1, 2"), "header cannot be read"),
        (lying(b"[" * 100_000), "header cannot be read"),
        (lying([]), "header cannot be read"),
        (lying({name: {"dtype": "F32", "shape": [[1]], "data_offsets": [0, 8]} for name in "ab"}), "2 entries were"),
        (lying({}), "no vectors"),
        (lying({str(number): entry() for number in range(33)}), "33 tensors"),
        (lying({"a": entry(), "b": entry()}), "2 tokens were found"),
        (lying({"a": 3}), "without a shape"),
        (lying({"a": entry(shape=[1, "4"])}), "without a shape"),
        (lying({"a": entry(shape=[])}), "shape"),
        (lying({"a": entry(shape=[1, 2, 2])}), "shape"),
        (lying({"a": entry(shape=[76, 768])}), "76 vectors"),
        (lying({"a": entry(shape=[1, 10**9])}), "no text encoder is wider"),
        (lying({"a": entry(shape=[-1, 768])}), "damaged"),
        (lying({"a": entry(dtype="F8_E5M2")}), "F8_E5M2"),
        (lying({"a": entry(data_offsets=[0, 99])}), "damaged"),
        (lying({"a": entry(), "__metadata__": {"step": 3}}), "metadata is not text"),
        (lying({"a": entry(), "__metadata__": []}), "metadata is not text"),
        (lying({"a": entry(dtype="F32")}, b"\xff" * 16), "NaN"),
        (
            lying({"clip_l": entry(), "clip_g": entry(shape=[2, 2], data_offsets=[16, 32])}, b"\0" * 32),
            "1 and 2 vectors",
        ),
    ],
)
def test_refuses(content, reason):
    with pytest.raises(EmbeddingError, match=reason):
        read_safetensors(content, "ana")


def test_refuses_a_header_that_is_all_brackets_but_not_brackets_in_words():
    with pytest.raises(EmbeddingError, match="header cannot be read"):
        read_safetensors(lying({"a": [[]] * 50_001}), "ana")
    crowded = Embedding("ana", (torch.ones(1, 4),), metadata={"a": '[{"\\' * 90_000})
    assert read_safetensors(safetensors_bytes(crowded), "ana").metadata == crowded.metadata
