"""The `.pt` files that are written pass A1111's own check of pickles, whose lists stand in data/a1111_unpickler.json.

They keep to what it took before 1.10 too, which let two more entries into the zip.
"""

import importlib
import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch

from retrato.embeddings import Embedding, write_embedding
from retrato.hypernetworks import Hypernetwork, Structure, write_hypernetwork
from retrato.hypernetworks.structure import all_shapes

LISTS = json.loads((Path(__file__).parent / "data" / "a1111_unpickler.json").read_text())
FACTS = {"step": 500, "base_model": "model", "base_model_hash": "0123456789", "metadata": {"recipe": "retrato"}}


class Restricted(pickle.Unpickler):
    """Does what A1111's does: numbers stay away, and a global that is not on the list ends it."""

    def persistent_load(self, saved_id: tuple[object, ...]) -> object:
        assert saved_id[0] == "storage"
        return torch.storage.TypedStorage(_internal=True)

    def find_class(self, module: str, name: str) -> object:
        if name not in LISTS["globals"].get(module, ()):
            raise pickle.UnpicklingError(f"global '{module}/{name}' is forbidden")
        return getattr(importlib.import_module(module), name)


def checked(content: bytes) -> object:
    """Gives what A1111's check sees; raises what it raises."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        strays = [name for name in names if not re.fullmatch(LISTS["zip_entries"], name)]
        assert not strays, f"bad file inside: {strays}"
        (described,) = (name for name in names if name.endswith("/data.pkl"))
        return Restricted(io.BytesIO(archive.read(described))).load()


@pytest.mark.parametrize("count", [1, 75])
def test_embeddings_pass(tmp_path: Path, count: int) -> None:
    one = Embedding("ana-t1", (torch.ones(count, 768),), **FACTS)
    found = checked(write_embedding(one, tmp_path / "ana-t1.pt", "a1111-pt").read_bytes())
    assert isinstance(found, dict)
    assert found["string_to_param"]["*"].shape == (count, 768)
    assert (found["name"], found["step"], found["sd_checkpoint"]) == ("ana-t1", 500, "0123456789")


@pytest.mark.parametrize(
    "structure", [Structure(), Structure((1, 1.5, 1), "relu", layer_norm=True, dropout=(0, 0.3, 0))]
)
def test_hypernetworks_pass(tmp_path: Path, structure: Structure) -> None:
    sizes = (320, 768)
    parameters = tuple(torch.zeros(shape) for shape in all_shapes(structure, sizes))
    one = Hypernetwork("ana-h1", sizes, structure, parameters, **FACTS)
    found = checked(write_hypernetwork(one, tmp_path / "ana-h1.pt", "a1111-pt").read_bytes())
    assert isinstance(found, dict)
    assert [list(state) for size in sizes for state in found[size]] == [structure.names()] * 4
    assert (found["layer_structure"], found["step"]) == (list(structure.layers), 500)


def test_the_check_refuses_what_torch_writes_by_itself_and_code() -> None:
    file = io.BytesIO()
    torch.save({"string_to_param": {"*": torch.ones(1, 768)}}, file)
    with pytest.raises(AssertionError, match="bad file inside"):
        checked(file.getvalue())
    with pytest.raises(pickle.UnpicklingError, match="forbidden"):
        Restricted(io.BytesIO(pickle.dumps(print))).load()
