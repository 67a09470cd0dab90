import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from retrato.training.report.record import read_record
from retrato.training.report.sections import best_pictures, candidates, contact_sheet, running_mean, which


def test_the_running_mean_begins_where_there_is_enough_and_leaves_out_what_is_no_number() -> None:
    points = [(1, 1.0), (2, 3.0), (3, math.nan), (4, 5.0)]
    assert running_mean(points, 2) == [(2, 2.0), (3, 3.0), (4, 5.0)]
    assert running_mean(points, 5) == []
    assert math.isnan(running_mean([(1, math.nan)], 1)[0][1])


def test_the_best_pictures_are_of_the_kept_candidate(finished_run: Callable[..., Path]) -> None:
    record = read_record(finished_run())
    assert best_pictures(record) == list(record.picked.pictures)
    assert best_pictures(record, most=1) == list(record.picked.pictures[:1])
    unscored = dataclasses.replace(record, picked=dataclasses.replace(record.candidates[1], pictures=(), scores={}))
    assert best_pictures(unscored) == [record.folder / "images" / "ana-20.png"]
    # There is no preview of step 10, and one of another step would show somebody else's vectors.
    other = dataclasses.replace(record, picked=dataclasses.replace(record.candidates[0], pictures=(), scores={}))
    assert best_pictures(other) == []


@pytest.mark.parametrize(("held_out", "said"), [(True, "circled in yellow"), (False, "None was kept out of training")])
def test_the_contact_sheet_says_what_was_held_out(held_out: bool, said: str, finished_run: Callable[..., Path]) -> None:
    record = read_record(finished_run())
    photos = tuple(dataclasses.replace(photo, held_out=held_out) for photo in record.photos)
    drawn = contact_sheet(dataclasses.replace(record, photos=photos))
    assert said in drawn
    assert drawn.count("pencil held") == (3 if held_out else 0)


def test_exactly_the_kept_candidate_is_circled(finished_run: Callable[..., Path]) -> None:
    drawn = candidates(read_record(finished_run()))
    assert drawn.count("pencil kept") == drawn.count('class="candidate kept"') == 1
    assert drawn.index('class="candidate kept"') > drawn.index("<dd>10</dd>")


def test_which_names_a_candidate(finished_run: Callable[..., Path]) -> None:
    candidate = read_record(finished_run()).picked
    assert which(candidate) == "step 20"
    assert which(dataclasses.replace(candidate, is_average=True)) == "average at step 20"
