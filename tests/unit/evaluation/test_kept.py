from pathlib import Path

import pytest
import torch

from retrato.errors import SettingsError
from retrato.evaluation.kept import begin, keep, keep_clock, kept, kept_clock
from retrato.evaluation.measured import Measured, Point


def test_what_is_kept_comes_back_equal(tmp_path: Path) -> None:
    one = Measured(
        person="ana", recipe="retrato", seed=0, scores={"identity": 0.1}, intervals={"identity": (0.0, 0.2)},
        satisfied=None, diversity=None, closest=0.9, rank1=1.0, steps=8, samples=8, picked_samples=4, seconds=0.3,
        learning=(Point(4, 0.1, {"identity": 0.5}),), weights=(), area=None, obedient=None, regret=0.0,
        embedding=tmp_path / "a.safetensors", pictures=(tmp_path / "0.png",),
    )  # fmt: skip
    draws = torch.rand(400, 3)
    keep(tmp_path / "ana", one, draws)
    found = kept(tmp_path / "ana")
    assert found is not None
    assert found[0] == one
    assert torch.equal(found[1], draws)


def test_what_was_cut_off_stays_to_go_on_from(tmp_path: Path) -> None:
    (tmp_path / "ana/run").mkdir(parents=True)
    assert kept(tmp_path / "ana") is None
    assert (tmp_path / "ana/run").is_dir()
    assert kept_clock(tmp_path / "ana") == {}
    keep_clock(tmp_path / "ana", {500: 41.5, 1000: 83.0})
    assert kept_clock(tmp_path / "ana") == {500: 41.5, 1000: 83.0}


def test_only_the_same_evaluation_goes_on(tmp_path: Path) -> None:
    begin(tmp_path / "out", {"model_hash": "a", "people": 2})
    begin(tmp_path / "out", {"model_hash": "a", "people": 2})
    with pytest.raises(SettingsError, match="has other model hash"):
        begin(tmp_path / "out", {"model_hash": "b", "people": 2})
