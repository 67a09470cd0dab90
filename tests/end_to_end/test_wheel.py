"""What `pip install .` brings: the code, the type marker, the embedded model, the example photos, the licence."""

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = str(tmp_path_factory.mktemp("wheel"))
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    return set(zipfile.ZipFile(wheel).namelist())


def test_holds_everything_under_src(contents: set[str]) -> None:
    files = [path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {str(path.relative_to(ROOT / "src")) for path in files if ".egg-info" not in str(path)}
    assert wanted - contents == set()
    assert {"retrato/py.typed", "retrato/model/mini/model_index.json"} <= contents


def test_holds_the_example_photos_and_the_licence(contents: set[str]) -> None:
    photos = {path.name for path in (ROOT / "examples/photos/benny").glob("*.png")}
    assert len(photos) == 20
    assert {f"retrato/examples/photos/benny/{name}" for name in photos} <= contents
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in contents)


def test_holds_nothing_that_is_only_for_developers(contents: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in contents} == {"retrato"}
