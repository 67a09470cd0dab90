"""What `pip install .` brings: the code, the type marker, the embedded model, the example photos, the licence.

And what the source distribution brings besides: the tests with all that they read.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
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


def test_the_source_distribution_brings_what_its_tests_read() -> None:
    brought = {Path(file.distribution_path) for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    folders = {parent for path in brought for parent in path.parents}
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    read = {Path(name) for text in tests for name in re.findall(r'ROOT / "([\w./-]+)"', text)}
    read -= {Path("pyproject.toml")}  # hatchling puts it in by itself
    read |= {path.relative_to(ROOT) for folder in ("", "docs", "benchmarks") for path in (ROOT / folder).glob("*.md")}
    read |= {path.relative_to(ROOT) for folder in ("mini", "benchmarks") for path in (ROOT / folder).glob("*.py")}
    assert len(read) > 60
    assert read - brought - folders == set()
    assert [path for path in brought if {"work", "node_modules", "__pycache__"} & set(path.parts)] == []


@pytest.mark.slow
def test_it_runs_outside_the_repository(tmp_path: Path, tiny_folder: Path) -> None:
    """Built, installed into a fresh environment, run from another folder: the demo on a tiny model, a picture on mini.

    The libraries below come from this environment: to install them again would take minutes and a network.
    """
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    fresh = tmp_path / "fresh"
    venv.create(fresh, symlinks=True)
    (packages,) = fresh.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(fresh), "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    place = tmp_path / "elsewhere"
    place.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("COV_")
    }
    environment["RETRATO_HOME"] = str(tmp_path / "home")

    def run(*command: str) -> str:
        ended = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    where = run(str(fresh / "bin/python"), "-c", "import retrato; print(retrato.__file__)")
    assert Path(where.strip()).is_relative_to(packages)
    told = json.loads(run(str(fresh / "bin/retrato"), "demo", "--quick", "--json", "--model", str(tiny_folder)))
    assert (place / told["report"]).is_file()
    assert Path(told["embedding"]).is_relative_to(tmp_path / "home")
    drawn = json.loads(run(str(fresh / "bin/retrato"), "generate", "a photo of a person", "--steps", "1", "--json"))
    assert Path(drawn["images"][0]["file"]).is_file()
