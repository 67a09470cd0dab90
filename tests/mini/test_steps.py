"""Every step of mini/README.md runs after the one before it, on a few drawings and for one step of training."""

import functools
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mini import evaluate
from retrato.model import load_captioner, load_components, load_scorer

EMOJI = Path(os.environ.get("NODE_MODULES", "node_modules"))
PACKAGES = ("@iconify-json/noto", "@iconify-json/fluent-emoji-flat", "@lobehub/fluent-emoji-3d")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few pictures are held out, and whoever listened for SIGTERM before does so again."""
    for name, few in (("VALIDATION", 8), ("HELD_OUT", 12)):
        for step in ("dataset", "train_autoencoder", "train_diffusion", "train_decoder", "train_scorer",
                     "train_captioner", "train_judge"):  # fmt: skip
            module = importlib.import_module(f"mini.{step}")
            if hasattr(module, name):
                monkeypatch.setattr(module, name, few)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])


class Artist:
    """Draws the first prompt, in this process, and shows it for all of them."""

    def __init__(self, model: Path) -> None:
        evaluate._take_model(model)

    def draw(self, prompts: list[str], seed: int = 0, steps: int = 20) -> list[Image.Image]:
        return [evaluate._draw(prompts[0], seed, 2)] * len(prompts)


@pytest.mark.slow
@pytest.mark.skipif(not all((EMOJI / name).is_dir() for name in PACKAGES), reason="no emoji: `make emoji` gets them")
def test_every_step_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"

    monkeypatch.setenv("NODE_MODULES", str(EMOJI))

    def run(step: str, *told: object) -> None:
        monkeypatch.setattr(sys, "argv", [step, *map(str, told)])
        importlib.import_module(f"mini.{step}").main()

    once = ("--work", work, "--steps", 1)
    run("dataset", 60, "--work", work)
    run("dataset", 5, "--per-person", 5, "--work", work / "people")
    drawn = np.load(work / "people/images.npy")
    np.save(work / "people/images.npy", np.tile(drawn, (40, 1, 1, 1)))  # of so many people; only pixels are looked at
    run("tokens", "--work", work)
    run("train_autoencoder", *once, "--processes", 1)
    run("encode", "--work", work)
    run("train_diffusion", *once, "--processes", 1, "--every", 0, "--batch", 2)
    assert len((work / "diffusion_loss.csv").read_text().splitlines()) == 1
    run("export", "--work", work, "--out", work / "draft")
    run("train_decoder", "--model", work / "draft", *once)
    run("train_scorer", *once, "--batch", 4)
    run("train_captioner", *once, "--batch", 4)
    run("dataset", 24, "--hard", "--work", work / "hard")
    run("train_judge", *once)
    run("export", "--work", work, "--out", work / "mini")
    assert load_components(work / "mini").name == "retrato-mini"
    assert load_scorer(work / "mini")
    assert load_captioner(work / "mini")

    monkeypatch.setattr(evaluate, "Artists", Artist)
    monkeypatch.setattr(evaluate, "gate_sets", functools.partial(evaluate.gate_sets, seeds=2, people=2, pictures=2))
    capsys.readouterr()
    run("evaluate", "--model", work / "mini", "--judge", work / "judge.safetensors", "--count", 2, "--sheets", tmp_path)
    assert json.loads(capsys.readouterr().out)["captions"] == 2
    assert "--count 2" in (work / "mini/MODEL_CARD.md").read_text()
    assert (tmp_path / "mini-people.jpg").is_file()
