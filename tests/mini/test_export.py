"""What was trained becomes a folder that retrato opens."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from mini import export
from mini.train_diffusion import MiddleReaders, read_shape
from retrato.model import load_components
from retrato.model.load import model_path

SHAPE = {"widths": [32, 48, 64], "text_width": 64, "channels": 8, "size": 16}


def trained(work: Path) -> torch.Tensor:
    """A work folder as `mini.train_diffusion --state second` leaves it; gives the average of the weights in it."""
    for part in ("vae", "tokenizer"):
        shutil.copytree(model_path("mini") / part, work / part)
    vocabulary = len(json.loads((work / "tokenizer/vocab.json").read_text()))
    (work / "second.json").write_text(json.dumps(SHAPE | {"vocabulary": vocabulary}))
    unet, text = read_shape(work / "second.json")
    parts = [*unet.parameters(), *text.parameters(), *MiddleReaders(unet).parameters()]
    flat = torch.cat([part.detach().flatten() for part in parts])
    torch.save({"flat": flat, "average": flat / 2, "steps": 7}, work / "second.pt")
    return flat / 2


def test_the_average_is_what_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    average = trained(tmp_path / "work")
    told = ["--work", tmp_path / "work", "--state", "second", "--name", "other", "--out", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["export", *map(str, told)])
    export.main()
    components = load_components(tmp_path / "out")
    assert components.name == "other"
    first = next(components.unet.parameters()).flatten()
    torch.testing.assert_close(first, average[: len(first)].half().float())
    with safe_open(tmp_path / "out/text_encoder/model.safetensors", "pt") as file:
        assert {name.partition(".")[0] for name in file.keys()} == {"text_model"}  # noqa: SIM118
