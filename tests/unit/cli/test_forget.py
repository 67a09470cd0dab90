"""`retrato forget` says what it removed, and exits with 2 where there was nothing."""

import json
from pathlib import Path

import pytest
import torch

from retrato.cli import main
from retrato.embeddings import Embedding, write_embedding


def test_forgetting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    write_embedding(Embedding("ana-t1", (torch.ones(1, 8),)), tmp_path / "embeddings" / "ana-t1.safetensors")
    assert main(["forget", "ana-t1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "ana-t1", "removed": ["embeddings/ana-t1.safetensors"]}
    assert main(["forget", "ana-t1"]) == 2
    assert "there is nothing about 'ana-t1'" in capsys.readouterr().err
    assert main(["forget", "../ana"]) == 2
