import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import save_file

from retrato.errors import ModelError
from retrato.model.checkpoint_file import open_checkpoint

TENSORS = {"a.weight": torch.arange(12.0).reshape(3, 4), "b": torch.ones(2, dtype=torch.float16)}


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def read(path: Path) -> dict[str, torch.Tensor]:
    with open_checkpoint(path) as checkpoint:
        found = {name: checkpoint.read(name) for name in checkpoint.shapes}
        assert {name: tuple(tensor.shape) for name, tensor in found.items()} == checkpoint.shapes
    return found


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def test_reads_what_each_program_writes(tmp_path: Path) -> None:
    """The kind is told by the content: people rename files."""
    save_file(TENSORS, tmp_path / "plain.safetensors", {"modelspec.title": "x"})
    torch.save({"state_dict": TENSORS, "epoch": 3, "callbacks": {}}, tmp_path / "training.ckpt")
    torch.save(TENSORS, tmp_path / "bare.safetensors")
    torch.save({"state_dict": TENSORS}, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    for path in tmp_path.iterdir():
        assert same(read(path)), path.name
    with open_checkpoint(tmp_path / "plain.safetensors") as checkpoint:
        assert (checkpoint.kind, checkpoint.metadata) == ("safetensors", {"modelspec.title": "x"})


def test_what_is_read_does_not_hang_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save(TENSORS, path)
    found = read(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert same(found)


def test_what_lightning_leaves_in_a_checkpoint_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stable Diffusion's own .ckpt: a class as a key, numpy numbers. Nothing of it is imported when it is read."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})  # type: ignore[attr-defined]
    for each in (name, "pytorch_lightning.callbacks", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, each, module)
    number = Call(_scalar(monkeypatch), numpy.dtype("f8"), b"\0\0\0\0\0\0\xf0?")
    torch.save({"state_dict": TENSORS, "callbacks": {module.ModelCheckpoint: {"best": number}}}, tmp_path / "x.ckpt")
    monkeypatch.undo()
    assert same(read(tmp_path / "x.ckpt"))


def _scalar(monkeypatch):
    """Gives numpy's function under the name it had when those files were written."""
    function = types.FunctionType((lambda *_: 1.0).__code__, {}, "scalar")
    function.__module__, function.__qualname__ = "numpy.core.multiarray", "scalar"
    module = types.ModuleType("numpy.core.multiarray")
    module.scalar = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpy.core.multiarray", module)
    return function


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("call", [(os.system, "touch PWNED"), (eval, "open('PWNED', 'w')")])
def test_a_pickle_that_would_run_code_is_refused(
    call: tuple[object, ...], is_zip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": TENSORS, "x": Call(*call)}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ModelError, match="forbidden global") as caught:
        read(path)
    assert not (tmp_path / "PWNED").exists()
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b'{"error": "not found"}', "JSON"),
        (b"\x89PNG\r\n\x1a\n", "no file of tensors"),
        (struct.pack("<Q", 10**9) + b"{}", "header of 1000000000 bytes"),
        (struct.pack("<Q", 8) + b"{nonsens", "damaged"),
        (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, "damaged|nests"),
        (pickle.dumps({"a": 1}), "no torch file"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(content: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=word) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_off_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"has \d+ of \d+ bytes: it is cut off"):
        read(path)
    torch.save(TENSORS, path)
    for length in (20, 300, path.stat().st_size - 30):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(ModelError, match="cut off"):
            read(path)


def test_lying_descriptions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({"a": torch.zeros(1).expand(1 << 20, 1 << 9)}, path)  # half a gigabyte by a stride of zero
    with pytest.raises(ModelError, match="larger than its numbers"):
        read(path)
    written = io.BytesIO()
    torch.save(TENSORS, written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    with pytest.raises(ModelError, match="packed or has another size"):
        read(path)
    header = json.dumps(
        {f"t{number}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for number in range(30_000)}
    )
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(ModelError, match="30000 tensors"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.ckpt is not a file"):
        read(tmp_path / "absent.ckpt")
