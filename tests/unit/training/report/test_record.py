import math
from collections.abc import Callable
from pathlib import Path

import pytest

from retrato.errors import TrainingError
from retrato.training.report.record import read_record


def test_a_record_says_what_the_folder_holds(finished_run: Callable[..., Path]) -> None:
    folder = finished_run()
    record = read_record(folder)
    assert record.picked is record.candidates[1]
    assert record.picked.step == 20
    assert record.picked.pictures == (folder / "images/ana-20-0.png", folder / "images/ana-20-1.png")
    assert record.held_out == 1
    assert record.evaluations == ((10, 0.39), (20, 0.38))
    assert record.losses[0] == (1, 0.5)
    assert math.isnan(record.losses[1][1])
    assert record.is_scored
    assert record.preview(20) == folder / "images/ana-20.png"
    assert record.preview(10) is None


def test_a_folder_that_was_moved_still_has_its_pictures(finished_run: Callable[..., Path], tmp_path: Path) -> None:
    moved = finished_run().rename(tmp_path / "moved")
    assert all(file.exists() for file in read_record(moved).picked.pictures)
    (moved / "textual_inversion_loss.csv").unlink()
    assert read_record(moved).losses == ()


def test_an_average_is_told_from_the_step_it_ends_at(finished_run: Callable[..., Path]) -> None:
    average = {"step": 20, "file": "x", "is_average": True, "loss": None, "scores": {}, "pictures": []}
    plain = {**average, "is_average": False, "loss": 0.3}
    record = read_record(finished_run(scored=False, candidates=[plain, average], picked_is_average=True))
    assert record.picked.is_average
    assert math.isnan(record.picked.loss)


@pytest.mark.parametrize("content", [None, "{"])
def test_an_unfinished_run_is_refused(content: str | None, tmp_path: Path) -> None:
    if content:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(TrainingError, match="a report needs a run that was finished"):
        read_record(tmp_path)
