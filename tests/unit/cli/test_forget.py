"""`retrato forget` says what it removed, and exits with 2 where there was nothing."""

import json
from pathlib import Path

import pytest
import torch

from retrato.cli import main
from retrato.embeddings import Embedding, blend, write_embedding


def test_forgetting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    write_embedding(Embedding("ana-t1", (torch.ones(1, 8),)), tmp_path / "embeddings" / "ana-t1.safetensors")
    assert main(["forget", "ana-t1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "ana-t1", "removed": ["embeddings/ana-t1.safetensors"]}
    assert main(["forget", "ana-t1"]) == 2
    assert "there is nothing about 'ana-t1'" in capsys.readouterr().err
    assert main(["forget", "../ana"]) == 2


def test_who_was_blended_from_somebody_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    people = [Embedding(name, (torch.ones(1, 8),)) for name in ("ana 1", "ana", "rui")]
    for each in (*people, blend(people[::2], [0.6, 0.4], "both"), blend(people[1:], [0.5, 0.5], "others")):
        write_embedding(each, tmp_path / "embeddings" / f"{each.name}.safetensors")
    assert main(["forget", "ana 1"]) == 0
    said = capsys.readouterr().err
    assert "both was blended from ana 1 and is still there" in said
    assert "others" not in said
