"""A finished run on disk, written by hand so that every figure on its page is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def _candidate(folder: Path, step: int, scores: dict[str, float], **more: object) -> dict[str, Any]:
    pictures = [folder / "images" / f"ana-{step}-{cell}.png" for cell in range(2)] if scores else []
    return {
        "step": step,
        "file": folder / "embeddings" / f"ana-{step}.safetensors",
        "is_average": False,
        "loss": 0.4 - step / 1000,
        "scores": scores,
        "pictures": pictures,
        **more,
    }


def _scores(identity: float) -> dict[str, float]:
    return {"identity": identity, "prompt_fidelity": 0.9, "harmonic": 0.75, "pictures": 2.0}


@pytest.fixture
def finished_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run of three photos and two candidates, the second kept; keywords replace facts of its run.json."""

    def write(scored: bool = True, **facts: object) -> Path:
        folder = tmp_path / "run"
        (folder / "images").mkdir(parents=True)
        names = ["ana-10", "ana-20", "class"]
        for number, name in enumerate([f"{name}-{cell}" for name in names for cell in range(2)]):
            Image.new("RGB", (64, 64), (number * 30, 90, 120)).save(folder / "images" / f"{name}.png")
        Image.new("RGB", (64, 64), "navy").save(folder / "images" / "ana-20.png")
        photos = []
        for number in range(3):
            photos.append(tmp_path / f"{number}.png")
            Image.new("RGB", (80, 80), (number * 90, 0, 60)).save(photos[-1])
        (folder / "textual_inversion_loss.csv").write_text("step,loss\n1,0.5\n2,nan\n3,0.3\n")
        said = {
            "name": "ana",
            "file": folder / "ana.safetensors",
            "vectors": 2,
            "dim": 32,
            "picked_step": 20,
            "picked_is_average": False,
            "pick_reason": "step 20 scores best",
            "stop_reason": "all 20 steps are done",
            "steps_run": 20,
            "samples": 40,
            "skipped_steps": 0,
            "times": {"prepare": 0.5, "train": 84.2, "pick": 3.0},
            "class_pictures": [folder / "images" / f"class-{cell}.png" for cell in range(2)] if scored else [],
            "candidates": [_candidate(folder, step, _scores(step / 30) if scored else {}) for step in (10, 20)],
            "evaluations": [{"step": 10, "loss": 0.39}, {"step": 20, "loss": 0.38}],
            "loss_log": folder / "textual_inversion_loss.csv",
            "model": {"name": "retrato-mini", "hash": "0123456789", "device": "cpu", "dtype": "float32"},
            "photos": [{"file": file, "caption": "", "held_out": at == 1} for at, file in enumerate(photos)],
            "settings": {"name": "ana", "initializer_text": "person", "steps": None, "seed": 3},
            "plan": {
                "steps": 20,
                "rates": [[0.5, 20]],
                "rate_is_relative": True,
                "templates": ["a photo of [name]"],
                "pick": {"prompts": [{"text": "a portrait of [name]"}, {"text": "[name], smiling"}]},
            },
            **facts,
        }
        (folder / "run.json").write_text(json.dumps(said, default=str))
        return folder

    return write
