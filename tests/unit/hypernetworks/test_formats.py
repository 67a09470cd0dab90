import json
import math
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from retrato.errors import HypernetworkError
from retrato.hypernetworks import HYPERNETWORK_FORMATS, Hypernetwork, Structure, read_hypernetwork, write_hypernetwork
from retrato.hypernetworks.layout import to_payload

Make = Callable[..., Hypernetwork]
STRUCTURE = Structure((1.0, 1.5, 2.0, 1.0), "relu", layer_norm=True, dropout=(0.0, 0.3, 0.1, 0.0))


def assert_same(one: Hypernetwork, other: Hypernetwork) -> None:
    assert all(torch.equal(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))
    for name in ("sizes", "structure", "step", "weight_init", "base_model", "base_model_hash", "metadata"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("format", HYPERNETWORK_FORMATS)
@pytest.mark.parametrize("structure", [Structure(), STRUCTURE])
def test_comes_back_as_it_was(make: Make, tmp_path: Path, format: str, structure: Structure) -> None:
    one = make(
        "ana-h1",
        structure,
        step=500,
        weight_init="XavierNormal",
        base_model="m",
        base_model_hash="0123456789",
        metadata={"recipe": "retrato", "initializer_text": "velho"},
    )
    path = tmp_path / f"other name{HYPERNETWORK_FORMATS[format].suffix}"
    back = read_hypernetwork(write_hypernetwork(one, path, format))
    assert back.name == "other name"
    assert_same(one, back)


def test_equal_ones_make_equal_files(make: Make, tmp_path: Path) -> None:
    files = [write_hypernetwork(make(), tmp_path / f"{number}.safetensors") for number in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a1111_can_open_what_is_written_for_it(make: Make, tmp_path: Path) -> None:
    """Its own checks: which entries the zip may hold, and that torch loads it; then its loader's look-ups."""
    path = write_hypernetwork(make("ana", STRUCTURE), tmp_path / "ana.pt", "a1111-pt")
    with zipfile.ZipFile(path) as archive:
        inner = [name.partition("/")[2] for name in archive.namelist()]
    assert all(name in ("data.pkl", "version") or name.startswith("data/") for name in inner)
    loaded = torch.load(path, weights_only=True)
    for size in (8, 12):
        for state in loaded[size]:
            assert list(state) == STRUCTURE.names()


def test_reads_what_torch_saves_today_and_what_it_saved_in_2022(make: Make, tmp_path: Path) -> None:
    one = make("ana")
    for number, options in enumerate(({}, {"_use_new_zipfile_serialization": False})):
        path = tmp_path / f"ana{number}.pt"
        torch.save(to_payload(one), path, **options)
        assert_same(read_hypernetwork(path), one)


def test_reads_what_a1111_saved_on_a_mac(tmp_path: Path) -> None:
    """With torch 1.12 all numbers lie in the description, which is as long as they are; packed, it is refused."""

    class OnMac:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor

        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return torch._utils._rebuild_device_tensor_from_numpy, (self.tensor.numpy(), torch.float32, "mps:0", True)

    one = Hypernetwork("ana", (320,), Structure(), tuple(map(torch.randn, Structure().shapes(320) * 2)), step=7)
    payload = to_payload(one)
    payload[320] = tuple({key: OnMac(tensor) for key, tensor in part.items()} for part in payload[320])  # type: ignore[attr-defined]
    torch.save(payload, tmp_path / "ana.pt")
    assert_same(read_hypernetwork(tmp_path / "ana.pt"), one)
    with (
        zipfile.ZipFile(tmp_path / "ana.pt") as archive,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    with pytest.raises(HypernetworkError, match="far longer than that of a hypernetwork"):
        read_hypernetwork(tmp_path / "b.pt")


def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "PWNED",)

    path = tmp_path / "evil.pt"
    torch.save({8: (Evil(), Evil())}, path)
    with pytest.raises(HypernetworkError, match="forbidden global"):
        read_hypernetwork(path)
    assert not (tmp_path / "PWNED").exists()


def broken(path: Path, how: str) -> Path:
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header["__metadata__"]["retrato"])
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
        return path
    if how == "header length":
        path.write_bytes(struct.pack("<Q", 2**60) + content[8:])
        return path
    if how == "structure":
        facts["structure"]["layers"] = [1.0, 3.0, 1.0]
    elif how == "sizes":
        facts["sizes"] = [8, 12, 14]
    elif how == "facts":
        facts = {"anything": 1}
    elif how == "shape":
        header["8.key.linear.0.weight"]["shape"] = [2**40, 2**20]
    elif how == "type":
        header["8.key.linear.0.weight"]["dtype"] = "BOOL"
    header["__metadata__"]["retrato"] = json.dumps(facts)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return path


@pytest.mark.parametrize("how", ["cut", "header length", "structure", "sizes", "facts", "shape", "type"])
def test_damaged_files_are_refused_at_once_by_name(make: Make, tmp_path: Path, how: str) -> None:
    path = broken(write_hypernetwork(make(), tmp_path / "ana.safetensors"), how)
    started = time.process_time()
    with pytest.raises(HypernetworkError, match=r"^ana\.safetensors cannot be used: "):
        read_hypernetwork(path)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"sizes": [math.inf]}, "does not describe"),
        ({"structure": {"layers": [1, 10**400, 1]}}, "does not describe"),
        ({"structure": {"layers": [1, math.nan, 1]}}, "multiple of the width"),
        ({"metadata": [1]}, "does not describe"),
        ({"metadata": "text"}, "does not describe"),
    ],
)
def test_facts_of_any_kind_end_in_a_sentence(make: Make, tmp_path: Path, facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HypernetworkError, match=sentence):
        read_hypernetwork(with_facts(write_hypernetwork(make(), tmp_path / "ana.safetensors"), facts))


def test_facts_of_the_wrong_kind_are_unknown(make: Make, tmp_path: Path) -> None:
    path = write_hypernetwork(make(), tmp_path / "ana.safetensors")
    wrong = {"step": -4, "base_model": {"a": 1}, "base_model_hash": 3, "weight_init": []}
    one = read_hypernetwork(with_facts(path, wrong))
    assert (one.step, one.base_model, one.base_model_hash, one.weight_init) == (None, None, None, "Normal")


def with_facts(path: Path, changes: dict[str, Any]) -> Path:
    """Changes what a file says about itself."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header["__metadata__"]["retrato"])
    for key, value in changes.items():
        facts[key] = {**facts[key], **value} if key == "structure" else value
    header["__metadata__"]["retrato"] = json.dumps(facts)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return path


def test_other_things_are_refused(make: Make, tmp_path: Path) -> None:
    for name, content, sentence in (
        ("a.txt", b"x", "ending"),
        ("a.pt", b"", "0 bytes"),
        ("b.pt", b"version https://git-lfs", "no torch file"),
        ("c.safetensors", b"<html>", "header"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(HypernetworkError, match=sentence):
            read_hypernetwork(tmp_path / name)
    with pytest.raises(HypernetworkError, match="no such file"):
        read_hypernetwork(tmp_path / "nowhere.pt")
    torch.save({"string_to_param": {"*": torch.ones(1, 8)}}, tmp_path / "embedding.pt")
    with pytest.raises(HypernetworkError, match="not a hypernetwork"):
        read_hypernetwork(tmp_path / "embedding.pt")


def test_formats_and_endings_belong_together(make: Make, tmp_path: Path) -> None:
    with pytest.raises(HypernetworkError, match="no hypernetwork format 'zip'"):
        write_hypernetwork(make(), tmp_path / "a.safetensors", "zip")
    with pytest.raises(HypernetworkError, match=r"call it a\.pt"):
        write_hypernetwork(make(), tmp_path / "a.safetensors", "a1111-pt")
