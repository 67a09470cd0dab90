import itertools
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch

from retrato.errors import HypernetworkError
from retrato.hypernetworks import Hypernetwork
from retrato.hypernetworks.layout import from_payload, to_payload

Make = Callable[..., Hypernetwork]


def old_state(width: int, names: tuple[str, str]) -> dict[str, torch.Tensor]:
    first, second = names
    return OrderedDict(
        {
            f"{first}.weight": torch.ones(2 * width, width),
            f"{first}.bias": torch.ones(2 * width),
            f"{second}.weight": torch.ones(width, 2 * width),
            f"{second}.bias": torch.ones(width),
        }
    )


def test_the_first_files_of_2022_are_read_with_their_defaults() -> None:
    state = old_state(8, ("linear1", "linear2"))
    found = from_payload({8: (state, state), "step": 20000, "name": "x", "sd_checkpoint_name": "model"}, "ana")
    assert (found.name, found.step, found.base_model, found.sizes) == ("ana", 20000, "model", (8,))
    structure = found.structure
    assert (structure.layers, structure.activation, structure.activate_output) == ((1.0, 2.0, 1.0), "linear", True)
    assert structure.dropout == ()


@pytest.mark.parametrize(
    ("last", "layers", "expected"),
    [
        (False, [1, 2, 1], ()),
        (True, [1, 2, 1], (0.0, 0.3, 0.0)),
        (False, [1, 2, 2, 1], (0.0, 0.3, 0.0, 0.0)),
        (True, [1, 2, 2, 1], (0.0, 0.3, 0.3, 0.0)),
    ],
)
def test_the_drop_out_of_late_2022_is_a_switch(last: bool, layers: list[int], expected: tuple[float, ...]) -> None:
    keys = [0]
    for after in expected[1:-1] or [0.0] * (len(layers) - 2):
        keys.append(keys[-1] + (2 if after else 1))
    state = {}
    for place, (before, after) in zip(keys, itertools.pairwise(layers), strict=True):
        state[f"linear.{place}.weight"] = torch.ones(8 * after, 8 * before)
        state[f"linear.{place}.bias"] = torch.ones(8 * after)
    payload = {8: (state, state), "layer_structure": layers, "use_dropout": True, "last_layer_dropout": last}
    assert from_payload(payload, "ana").structure.dropout == expected


def test_payload_has_all_keys_that_a1111_reads(make: Make) -> None:
    payload = to_payload(make(step=3, base_model="m", base_model_hash="0123456789"))
    assert {key for key in payload if isinstance(key, int)} == {8, 12}
    assert list(payload[8][0]) == ["linear.0.weight", "linear.0.bias", "linear.1.weight", "linear.1.bias"]
    assert (payload["layer_structure"], payload["dropout_structure"]) == ([1.0, 2.0, 1.0], [0, 0, 0])
    assert (payload["activate_output"], payload["sd_checkpoint"], payload["step"]) == (False, "0123456789", 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "no networks by width"),
        ({8: "x"}, "no two networks for width 8"),
        ({8: ({}, {})}, "does not have the weights"),
        ({8: (1, 2)}, "has no weights"),
        ({8: (old_state(8, ("linear.0", "linear.1")),) * 2, "layer_structure": "1,2,1"}, "no list of numbers"),
        ({8: (old_state(9, ("linear.0", "linear.1")),) * 2}, "shapes"),
        ({8: (old_state(8, ("linear.0", "linear.1")),) * 2, "activation_func": "glu"}, "activation"),
    ],
)
def test_refuses_what_is_no_hypernetwork(change: dict[object, object], sentence: str) -> None:
    with pytest.raises(HypernetworkError, match=sentence):
        from_payload({"name": "x", **change}, "ana")
