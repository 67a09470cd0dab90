from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from retrato import files
from retrato.model import doctor
from retrato.model.doctor import driver_cuda, examine, gpus_in_machine, judge_gpu
from retrato.model.memory import GIB


def card(folder: Path, number: int, vendor: str, kind: str = "0x030000") -> None:
    place = folder / f"0000:0{number}:00.0"
    place.mkdir(parents=True)
    (place / "class").write_text(f"{kind}\n")
    (place / "vendor").write_text(f"{vendor}\n")


def test_cards_are_found_without_torch(tmp_path: Path) -> None:
    card(tmp_path, 0, "0x10de")
    card(tmp_path, 1, "0x1002", "0x038000")
    card(tmp_path, 2, "0x10de", "0x040300")  # the sound device on a graphics card
    card(tmp_path, 3, "0x1af4")
    assert gpus_in_machine(tmp_path, "no-such-program") == ["NVIDIA", "AMD"]


def test_the_driver_says_what_it_can_run(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '| NVIDIA-SMI 560.35  Driver Version: 560.35  CUDA Version: 12.6     |'\n")
    program.chmod(0o755)
    assert driver_cuda(str(program)) == (12, 6)
    program.write_text("#!/bin/sh\nexit 9\n")
    assert driver_cuda(str(program)) is None
    assert driver_cuda("no-such-program") is None


@pytest.mark.parametrize(
    ("facts", "ok", "found", "fix"),
    [
        ({"makers": []}, True, "CPU", ""),
        ({"makers": ["NVIDIA"], "usable": "RTX with 24 GiB", "cuda_build": "12.8"}, True, "RTX", ""),
        ({"makers": ["NVIDIA"], "driver": (12, 4)}, False, "built without CUDA", "whl/cu126"),
        ({"makers": ["NVIDIA"], "driver": (13, 0)}, False, "built without CUDA", "whl/cu130"),
        ({"makers": ["NVIDIA"], "driver": (12, 4), "cuda_build": "13.0"}, False, "12.4 at most", "whl/cu126"),
        ({"makers": ["NVIDIA"]}, False, "without a working driver", "driver"),
        ({"makers": ["NVIDIA"], "driver": (12, 8), "cuda_build": "12.8"}, False, "cannot reach", "nvidia-smi"),
        ({"makers": ["AMD"]}, False, "without ROCm", "rocm"),
        ({"makers": ["Intel"]}, True, "CPU", ""),
        ({"makers": ["NVIDIA"], "usable": "x", "unsupported": "Card (sm_120)"}, False, "no code", "pip install"),
    ],
)
def test_a_card_that_torch_does_not_use_is_named_with_the_command(
    facts: dict[str, Any], ok: bool, found: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    check = judge_gpu(**{"cuda_build": None, "hip_build": None, "usable": None, "driver": None, **facts})
    assert check.ok == ok
    assert found in check.found
    assert fix in check.fix
    assert bool(check.fix) != ok


def test_a_check_that_breaks_breaks_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("driver mismatch")

    monkeypatch.setattr(torch.cuda, "is_available", broken)
    checks = {check.name: check for check in examine(tmp_path)}
    assert "driver mismatch" in checks["gpu"].found
    assert not checks["gpu"].ok
    assert checks["embedded model"].ok
    assert checks["home folder"].found.startswith(f"{tmp_path}, ")


def test_a_home_that_is_no_folder_is_found_before_a_training_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = next(check for check in examine(tmp_path / "file" / "home") if check.name == "home folder")
    assert not home.ok
    assert home.fix.startswith("export RETRATO_HOME=/")
    assert home.fix.endswith("/retrato")


def test_a_small_disk_is_answered_with_the_emptiest_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {Path.home(): 0, tmp_path: 1, tmp_path / "wide place": 9 * GIB}
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=sizes[place]))
    monkeypatch.setattr(doctor.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "wide place").mkdir()
    monkeypatch.chdir(tmp_path / "wide place")
    check = doctor._home(tmp_path)
    assert not check.ok
    assert "0.0 GiB free, 2 are needed" in check.found
    assert check.fix == f'export RETRATO_HOME="{tmp_path}/wide place/retrato"'
    sizes[tmp_path / "wide place"] = 1
    assert doctor._home(tmp_path).fix == "export RETRATO_HOME=a-folder-on-another-disk"


def test_commands_run_in_the_shell_that_they_are_printed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "executable", r"C:\Users\Ana Maria\python.exe")
    for module in (doctor, files):
        monkeypatch.setattr(module, "WINDOWS", True)
    python = '"C:\\Users\\Ana Maria\\python.exe" -m pip '
    for command in (doctor._install("cu128"), doctor._install_again("torch")):
        assert command.startswith(f"{python}install --force-reinstall ")
    assert doctor._setting_home(r"D:\Ana Maria\retrato") == 'setx RETRATO_HOME "D:\\Ana Maria\\retrato"'
    assert doctor._setting_home("a-folder") == "setx RETRATO_HOME a-folder"
    unreachable = judge_gpu(["NVIDIA"], cuda_build="12.8", hip_build=None, usable=None, driver=(12, 8))
    assert "#" not in unreachable.fix, "to Windows' shell that begins no comment"


def test_a_torchvision_of_another_torch_is_taken_away_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(doctor.sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(doctor, "version", lambda _: "0.1")
    monkeypatch.setattr(doctor.sys, "executable", "/home/ana maria/python")
    assert doctor._torchvision().fix == '"/home/ana maria/python" -m pip uninstall --yes torchvision'


def test_a_home_where_windows_refuses_to_write_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tempfile` would try 2 ** 31 names there: `os.access` says that all can write everywhere."""
    names = []

    def refused(name: str | Path, *_: int, **__: int) -> int:
        names.append(name)
        if len(names) > 9:
            raise SystemExit("no end of it")
        raise PermissionError(13, "Access is denied", str(name))

    monkeypatch.setattr(doctor, "_another_home", lambda: "elsewhere")
    with monkeypatch.context() as patched:
        patched.setattr(doctor.os, "open", refused)
        patched.setattr(doctor.os, "name", "nt")
        check = doctor._home(tmp_path)
    assert (check.ok, check.fix) == (False, "elsewhere")
    assert check.found.endswith("cannot be written to (Access is denied)")
    assert len(names) == 1


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        (None, "retrato"),
        ('{"url": "file:///somewhere/retrato", "dir_info": {"editable": true}}', "file:///somewhere/retrato"),
        ('{"url": "https://x/y.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}', "git+https://x/y.git"),
    ],
)
def test_lost_weights_come_from_where_retrato_came(
    said: str | None, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "EMBEDDED", tmp_path)
    monkeypatch.setattr(doctor, "distribution", lambda _: SimpleNamespace(read_text=lambda _: said))
    check = doctor._embedded()
    assert not check.ok
    assert check.fix.endswith(f" -m pip install --force-reinstall --no-deps {origin}")


def test_old_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FLOORS", {"diffusers": (99, 0), "no_such_package": (1, 0)})
    packages = next(check for check in examine(tmp_path) if check.name == "libraries")
    assert "is older than 99.0, no_such_package cannot be loaded" in packages.found
    assert packages.fix.endswith(' --force-reinstall --no-deps "diffusers>=99.0" "no_such_package>=1.0"')


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "no instructions for bfloat16, so float32"),
        ({"amx_bf16": True}, "training on small pictures, as the embedded model's, uses it"),
        ({"sve_bf16": True}, "nobody timed on its kind, so float32"),
    ],
)
def test_what_training_does_with_bfloat16_is_told(
    found: dict[str, bool], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert doctor._cpu().found.endswith(said)
