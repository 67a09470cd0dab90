import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from retrato.errors import TrainingError
from retrato.training.run_folder import (
    COLUMNS,
    RunFolder,
    choose_run_folder,
    has_run,
    is_run_of,
    locked,
    open_loss_log,
    photos_of_run,
    seen_from,
)

TODAY = date(2026, 11, 22)


def test_has_a1111s_layout(tmp_path: Path) -> None:
    folder = RunFolder(choose_run_folder(tmp_path, "ana-t1", today=TODAY), "ana-t1")
    assert folder.path == tmp_path / "2026-11-22" / "ana-t1"
    assert folder.candidate(500) == folder.path / "embeddings" / "ana-t1-500.safetensors"
    assert folder.loss_log.name == "textual_inversion_loss.csv"
    assert not folder.path.exists()


def test_a_second_run_of_a_day_takes_a_folder_of_its_own(tmp_path: Path) -> None:
    for expected in ("ana-t1", "ana-t1-2", "ana-t1-3"):
        folder = choose_run_folder(tmp_path, "ana-t1", today=TODAY)
        assert folder.name == expected
        folder.mkdir(parents=True)


def test_resuming_takes_the_latest_run_that_has_a_checkpoint(tmp_path: Path) -> None:
    for number, place in enumerate(("2026-11-20/ana-t1", "2026-11-21/ana-t1-2", "2026-11-22/ana-t12")):
        manifest = tmp_path / place / "checkpoints" / "50.json"
        manifest.parent.mkdir(parents=True)
        manifest.touch()
        os.utime(manifest, (number, number))
    (tmp_path / "2026-11-22" / "ana-t1").mkdir()
    assert choose_run_folder(tmp_path, "ana-t1", resume=True) == tmp_path / "2026-11-21" / "ana-t1-2"
    with pytest.raises(TrainingError, match="no run of bea"):
        choose_run_folder(tmp_path, "bea", resume=True)


def test_a_person_whose_name_ends_like_a_second_run_is_somebody_else(tmp_path: Path) -> None:
    for place, name in (("2026-11-22/ana-2", "ana-2"), ("2026-11-22/ana-3", "ana")):
        folder = tmp_path / place
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints/50.json").touch()
        (folder / "settings-2026-11-22-10-00-00.json").write_text(json.dumps({"settings": {"name": name}}))
    os.utime(tmp_path / "2026-11-22/ana-3/checkpoints/50.json", (1, 1))
    assert choose_run_folder(tmp_path, "ana", resume=True).name == "ana-3"
    assert choose_run_folder(tmp_path, "ana-2", resume=True).name == "ana-2"


def test_two_trainings_of_one_name_do_not_meet(tmp_path: Path) -> None:
    folder = choose_run_folder(tmp_path, "ana-t1", today=TODAY)
    with locked(folder):
        with pytest.raises(TrainingError, match=f"process {os.getpid()} is training in"), locked(folder):
            pytest.fail("the folder was given to two")
        with pytest.raises(TrainingError, match="wait for its end"):
            choose_run_folder(tmp_path, "ana-t1", today=TODAY)
        with pytest.raises(TrainingError, match="wait for its end"):  # also over midnight
            choose_run_folder(tmp_path, "ana-t1", today=TODAY + timedelta(days=1))
    with locked(folder):
        assert (folder / ".lock").read_text() == str(os.getpid())


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from retrato.training.run_folder import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -9
    assert (tmp_path / ".lock").read_text().isdecimal()
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    half, whole = (
        tmp_path / "embeddings" / ".ana-t1-5-x8.tmp.safetensors",
        tmp_path / "embeddings" / "ana-t1-5.safetensors",
    )
    half.parent.mkdir()
    half.touch()
    whole.touch()
    with locked(tmp_path):
        assert list(half.parent.iterdir()) == [whole]


def test_the_log_drops_what_lies_beyond_the_resumed_step(tmp_path: Path) -> None:
    log = tmp_path / "textual_inversion_loss.csv"
    with open_loss_log(log, 0) as file:
        file.writelines(f"{step},0,{step},0.5,0.005,\n".encode() for step in range(1, 13))
    with log.open("a") as file:
        file.write("1")  # of step 13: killed while writing
    with open_loss_log(log, 10) as file:
        file.write(b"11,0,11,0.25,0.005,0.3\n")
    lines = log.read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(1, 12)]
    assert lines[-1] == "11,0,11,0.25,0.005,0.3"


def test_hypernetworks_have_their_own_files_and_are_resumed_as_such(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "2026-11-22" / "ana", "ana", "hypernetworks")
    assert folder.candidate(50) == folder.path / "hypernetworks" / "ana-50.safetensors"
    assert folder.loss_log.name == "hypernetwork_loss.csv"
    folder.candidate(50).parent.mkdir(parents=True)
    folder.checkpoints.mkdir()
    (folder.checkpoints / "50.json").touch()
    assert choose_run_folder(tmp_path, "ana", kind="hypernetworks", resume=True) == folder.path
    assert not has_run(tmp_path, "ana")
    with pytest.raises(TrainingError, match="no run of ana"):
        choose_run_folder(tmp_path, "ana", resume=True)


def test_a_run_with_a_checkpoint_can_be_resumed(tmp_path: Path) -> None:
    manifest = tmp_path / "2026-11-20" / "ana" / "checkpoints" / "50.json"
    manifest.parent.mkdir(parents=True)
    assert not has_run(tmp_path, "ana")
    manifest.touch()
    assert has_run(tmp_path, "ana")


FINDER, KEYBOARD = "joa\u0303o-1", "jo\u00e3o-1"


@pytest.mark.parametrize(("written", "asked"), [(FINDER, KEYBOARD), ("ana-1", "Ana-1"), ("ANA-1-2", "ana-1")])
def test_runs_are_known_however_the_name_is_spelled(tmp_path: Path, written: str, asked: str) -> None:
    folder = tmp_path / "2026-11-20" / written
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "50.json").write_text(json.dumps({"facts": {"photos": {"1.png": "aa"}}}))
    assert is_run_of(folder, asked)
    (folder / "settings-1.json").write_text(json.dumps({"settings": {"name": written.removesuffix("-2")}}))
    assert is_run_of(folder, asked)
    assert choose_run_folder(tmp_path, asked, resume=True) == folder
    (folder / "settings-1.json").write_text(json.dumps({"settings": {"name": "somebody"}}))
    assert not is_run_of(folder, asked)


@pytest.mark.parametrize(("written", "asked"), [(FINDER, KEYBOARD), ("ana-1", "Ana-1")])
def test_two_spellings_of_one_name_are_not_trained_at_once(tmp_path: Path, written: str, asked: str) -> None:
    with locked(tmp_path / "2026-11-20" / written), pytest.raises(TrainingError, match="wait for its end"):
        choose_run_folder(tmp_path, asked, today=TODAY)


@pytest.mark.parametrize(
    ("photo", "written"),
    [
        ("home/photos/local/ana/1.png", "../../../photos/local/ana/1.png"),
        ("elsewhere/1.png", None),
    ],
)
def test_photos_of_the_home_that_a_run_lies_in_are_named_from_there(
    tmp_path: Path, photo: str, written: str | None
) -> None:
    folder = tmp_path / "home" / "textual_inversion" / "2026-11-30" / "ana"
    said = seen_from(folder, tmp_path / photo)
    assert said == (written or str(tmp_path / photo))
    folder.mkdir(parents=True)
    (folder / "settings-1.json").write_text(json.dumps({"photos": [{"file": said}]}))
    assert [found.resolve() for found in photos_of_run(folder)] == [tmp_path / photo]
    assert seen_from(tmp_path / "run", tmp_path / photo) == str(tmp_path / photo), "a run outside of any home"
