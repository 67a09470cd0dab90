"""Checkpoints that earlier versions wrote can still be gone on from."""

from pathlib import Path

import pytest
import torch

from retrato.training.checkpoint import load_checkpoint

FOLDERS = sorted((Path(__file__).parent / "data" / "checkpoints").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_state_of_an_earlier_version_is_found(folder: Path) -> None:
    found = load_checkpoint(folder)
    assert found is not None
    assert found.damaged == ()
    assert found.facts["settings"] == {"name": "ana-t1", "seed": 7}
    state = found.state
    vectors = tuple(torch.randn(2, width, generator=torch.Generator().manual_seed(width)) for width in (4, 6))
    for name, expected in (
        ("parameters", vectors),
        ("mean", tuple(each * 0.1 for each in vectors)),
        ("square", tuple(each.square() for each in vectors)),
        ("average", tuple(each + 1 for each in vectors)),
        ("best", tuple(each - 1 for each in vectors)),
    ):
        assert all(torch.equal(a, b) for a, b in zip(getattr(state, name), expected, strict=True)), name
    assert (state.step, state.updates, state.rate_scale, state.skipped) == (10, 9, 0.5, 1)
    assert (state.evaluations, state.saved) == (((5, 0.25), (10, 0.125)), (5, 10))
    is_first_format = folder.name == "0.1.0"  # what is good was not in it: what there was then counts
    expected, updates = (vectors, 9) if is_first_format else (tuple(each * 0.5 for each in vectors), 4)
    assert all(torch.equal(a, b) for a, b in zip(state.good_parameters, expected, strict=True))
    assert state.good_updates == updates
