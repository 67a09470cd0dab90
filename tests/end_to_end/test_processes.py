import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrato.embeddings import read_embedding

Run = Callable[..., Any]


def rows(run_folder: Path) -> list[list[float]]:
    with (run_folder / "textual_inversion_loss.csv").open(newline="") as file:
        return [[float(number or 0) for number in row] for row in list(csv.reader(file))[1:]]


def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    train: Run, photos: Path, tiny_folder: Path, home: Path, tmp_path: Path
) -> None:
    """Two real processes of torchrun's on the CPU; only the first one speaks and writes.

    Batches of less than four, so that no processor takes bfloat16 for one way and float32 for the other.
    """
    (photos / "00.txt").write_text("red hat, " * 40, encoding="utf-8")  # longer than the other texts
    together = ("--shuffle-tags", "--tag-dropout", "0.2", "--latent-sampling", "random", "--evaluate-every", "2")
    options = ("--model", tiny_folder, "--steps", 4, "--batch-size", 1, "--device", "cpu", "--out", tmp_path / "two")
    command = ("torch.distributed.run", "--nproc-per-node", 2, "-m", "retrato", "train", photos, "--name", "ana-t2")
    ran = subprocess.run(
        [sys.executable, "-m", *(str(each) for each in (*command, *options, *together)), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    two = json.loads(ran.stdout)
    assert ran.stderr.count("learning from 5 photos") == 1
    one = train("--batch-size", 2, "--out", tmp_path / "one", *together).json
    assert (two["samples"], two["steps_run"]) == (one["samples"], one["steps_run"]) == (8, 4)
    assert Path(two["file"]) == home / "embeddings" / "ana-t2.safetensors"
    (found,), (expected,) = (read_embedding(Path(each["file"])).vectors for each in (two, one))
    assert float((found - expected).norm() / expected.norm()) < 1e-5
    assert rows(tmp_path / "two") == [pytest.approx(row, rel=1e-4) for row in rows(tmp_path / "one")]
    resumed = train("--batch-size", 2, "--out", tmp_path / "two", *together, "--resume", "--overwrite", name="ana-t2")
    assert resumed.code == 0, resumed.err  # what several began, one can end
