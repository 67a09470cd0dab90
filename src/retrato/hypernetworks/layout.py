"""Translates between a hypernetwork and A1111's pickled dict, of 2022 and of today. Knows nothing of bytes.

`{768: (key network's state dict, value network's), 320: ..., "step", "name", "layer_structure", ...}`; the first files
name the two layers linear1 and linear2 and say nothing else.
"""

from collections.abc import Mapping

from torch import Tensor

from retrato.embeddings.layout import as_step, as_text, as_texts
from retrato.errors import HypernetworkError
from retrato.hypernetworks.hypernetwork import Hypernetwork
from retrato.hypernetworks.structure import Structure

OLD_KEYS: Mapping[str, str] = {
    "linear1.weight": "linear.0.weight",
    "linear1.bias": "linear.0.bias",
    "linear2.weight": "linear.1.weight",
    "linear2.bias": "linear.1.bias",
}
OLD_DROPOUT = 0.3


def to_payload(hypernetwork: Hypernetwork) -> dict[int | str, object]:
    """Gives the dict that A1111 1.x reads, with retrato's own metadata beside its keys."""
    structure = hypernetwork.structure
    keys = structure.names()
    payload: dict[int | str, object] = {
        size: tuple(dict(zip(keys, part, strict=True)) for part in hypernetwork.networks.pair(size))
        for size in hypernetwork.sizes
    }
    dropout = list(structure.dropout) or [0] * len(structure.layers)
    if hypernetwork.step is not None:
        payload["step"] = hypernetwork.step
    return payload | {
        "name": hypernetwork.name,
        "layer_structure": list(structure.layers),
        "activation_func": structure.activation,
        "is_layer_norm": structure.layer_norm,
        "weight_initialization": hypernetwork.weight_init,
        "sd_checkpoint": hypernetwork.base_model_hash,
        "sd_checkpoint_name": hypernetwork.base_model,
        "activate_output": structure.activate_output,
        "use_dropout": any(dropout),
        "dropout_structure": dropout,
        "last_layer_dropout": bool(dropout[-2]),
        "optional_info": None,
        "metadata": dict(hypernetwork.metadata),
    }


def from_payload(payload: Mapping[object, object], name: str) -> Hypernetwork:
    """Gives the hypernetwork that `payload` describes, under `name`; raises HypernetworkError if it describes none."""
    sizes = tuple(key for key in payload if type(key) is int)
    if not sizes:
        raise HypernetworkError("it has no networks by width: it is not a hypernetwork, an embedding goes elsewhere")
    structure = _structure(payload)
    parameters: list[Tensor] = []
    for size in sizes:
        pair = payload[size]
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise HypernetworkError(f"it has no two networks for width {size}: it is damaged, get it again")
        for part in pair:
            parameters += _weights(part, structure, size)
    return Hypernetwork(
        name,
        sizes,
        structure,
        tuple(parameters),
        step=as_step(payload.get("step")),
        weight_init=as_text(payload.get("weight_initialization")) or "Normal",
        base_model=as_text(payload.get("sd_checkpoint_name")),
        base_model_hash=as_text(payload.get("sd_checkpoint")),
        metadata=as_texts(payload.get("metadata")),
    )


def _structure(payload: Mapping[object, object]) -> Structure:
    """Gives the structure with A1111's defaults for what an old file leaves out."""
    layers = _numbers(payload.get("layer_structure"), "layer structure") or (1.0, 2.0, 1.0)
    dropout = _numbers(payload.get("dropout_structure"), "drop-out")
    if not dropout and payload.get("use_dropout"):
        last = OLD_DROPOUT if payload.get("last_layer_dropout") else 0.0
        dropout = (0.0, *[OLD_DROPOUT] * (len(layers) - 3), last, 0.0)[-len(layers) :]
    return Structure(
        layers,
        as_text(payload.get("activation_func")) or "linear",
        layer_norm=bool(payload.get("is_layer_norm")),
        # Before there was this key, the last layer was activated too.
        activate_output=bool(payload.get("activate_output", True)),
        dropout=dropout if any(dropout) else (),
    )


def _weights(state: object, structure: Structure, size: int) -> list[Tensor]:
    """Gives one network's tensors in order."""
    if not isinstance(state, dict):
        raise HypernetworkError(f"a network of width {size} has no weights: it is damaged, get it again")
    named = {OLD_KEYS.get(str(key), str(key)): value for key, value in state.items()}
    found = [named.get(key) for key in structure.names()]
    tensors = [each for each in found if isinstance(each, Tensor)]
    if len(tensors) != len(found) or len(named) != len(found):
        raise HypernetworkError(
            f"a network of width {size} does not have the weights that its structure says: it is damaged, get it again"
        )
    if [tuple(each.shape) for each in tensors] != structure.shapes(size):  # before anything is copied
        raise HypernetworkError(
            f"the weights for width {size} do not have the shapes that its structure says: it is damaged, get it again"
        )
    return tensors


def _numbers(value: object, what: str) -> tuple[float, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(type(each) in (int, float) for each in value):
        raise HypernetworkError(f"its {what} is no list of numbers: it is damaged, get it again")
    return tuple(float(each) for each in value)
