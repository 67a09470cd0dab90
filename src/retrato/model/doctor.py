"""Examines the machine: can retrato compute here, on what, how fast, and which one command mends what is wrong.

Knows nothing of the screen. Nothing is changed and nothing is looked up on the network.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import torch

from retrato.errors import ModelError, SettingsError
from retrato.files import WINDOWS, quoted, temporary_file
from retrato.model.device import UNUSED_CARD, choose_device, cpu_multiplies, cpu_trains_in_bfloat16
from retrato.model.folder import read_index
from retrato.model.load import EMBEDDED
from retrato.model.memory import GIB, available_memory
from retrato.model.quiet import import_quietly

LEAST_PYTHON = (3, 11)
LEAST_MEMORY = 2 * GIB  # the embedded model takes 0.7 in training
LEAST_DISK = 2 * GIB
FLOORS = {"diffusers": (0, 42), "transformers": (5, 6), "accelerate": (1, 10), "safetensors": (0, 6)}
VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
WHEELS = "https://download.pytorch.org/whl"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: whether it is as it should be, what was found, and the command that mends it."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def examine(home: Path, device: str = "auto", dtype: str = "auto") -> Iterator[Check]:
    """Gives the checks one by one; `home` is the folder where retrato keeps its things. Never raises.

    `device` and `dtype` are what is asked for, as in `choose_device`.
    """
    checks: dict[str, Callable[[], Check]] = {
        "machine": _machine,
        "torch": _torch,
        "gpu": _gpu,
        "device": lambda: _device(device, dtype),
        "cpu": _cpu,
        "libraries": _libraries,
        "torchvision": _torchvision,
        "memory": _memory,
        "embedded model": _embedded,
        "home folder": lambda: _home(home),
        "network": _network,
    }
    for name, check in checks.items():
        yield _safely(name, check)


def gpus_in_machine(devices: Path = Path("/sys/bus/pci/devices"), nvidia_smi: str = "nvidia-smi") -> list[str]:
    """Gives the makers of the graphics cards that the machine has, whether torch can use them or not."""
    makers = []
    for device in sorted(devices.glob("*")) if devices.is_dir() else []:
        try:
            is_display = (device / "class").read_text().startswith("0x03")
            maker = VENDORS.get((device / "vendor").read_text().strip())
        except OSError:
            continue
        if is_display and maker:
            makers.append(maker)
    if "NVIDIA" not in makers and shutil.which(nvidia_smi):  # Windows and WSL show no PCI devices
        makers.append("NVIDIA")
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        makers.append("Apple")
    return makers


def driver_cuda(nvidia_smi: str = "nvidia-smi") -> tuple[int, int] | None:
    """Gives the newest CUDA version that the installed NVIDIA driver can run, None where there is no driver."""
    program = shutil.which(nvidia_smi)
    if program is None:
        return None
    try:
        said = subprocess.run([program], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    _, found, rest = said.partition("CUDA Version:")
    number = rest.split("|")[0].strip().split(".") if found else []
    return (int(number[0]), int(number[1])) if len(number) == 2 and all(part.isdecimal() for part in number) else None


def _safely(name: str, check: Callable[[], Check]) -> Check:
    """A broken machine must not break the examination of it."""
    try:
        return check()
    except Exception as error:
        found = f"could not be looked at: {type(error).__name__}: {str(error)[:200]}"
        return Check(name, False, found, _install_again("torch") if name in ("gpu", "device", "cpu") else "")


def _machine() -> Check:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    is_64_bit = sys.maxsize > 2**32
    return Check(
        "machine",
        sys.version_info >= LEAST_PYTHON and is_64_bit,
        found if is_64_bit else f"{found}, 32 bits",
        "" if is_64_bit and sys.version_info >= LEAST_PYTHON else "install a 64-bit Python 3.11 or newer",
    )


def _torch() -> Check:
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else ""
    build = build or (f"ROCm {torch.version.hip}" if torch.version.hip else "")
    return Check("torch", True, f"torch {torch.__version__}, built for {build or 'CPU'}")


def _gpu() -> Check:
    """The field's most asked question: there is a graphics card, and torch does not use it."""
    return judge_gpu(
        gpus_in_machine(),
        cuda_build=torch.version.cuda,
        hip_build=torch.version.hip,
        usable=_usable_gpu(),
        driver=driver_cuda(),
        unsupported=_unsupported_card(),
    )


def judge_gpu(
    makers: list[str],
    *,
    cuda_build: str | None,
    hip_build: str | None,
    usable: str | None,
    driver: tuple[int, int] | None,
    unsupported: str | None = None,
) -> Check:
    """Gives the check of the graphics card.

    `makers` are those of the cards in the machine, `usable` what torch can use, `driver` the newest CUDA that the
    driver runs, `unsupported` a card that torch sees and this build of it has no code for.
    """
    if unsupported:
        return Check("gpu", False, f"{unsupported}, for which this torch has no code", _install("cu130"))
    if usable:
        return Check("gpu", True, usable)
    if "NVIDIA" in makers:
        if driver is None:
            fix = "install NVIDIA's driver (Debian: apt install nvidia-driver), then restart"
            return Check("gpu", False, "an NVIDIA card without a working driver", fix)
        if not cuda_build:
            return Check("gpu", False, UNUSED_CARD, _install(_wheel(driver)))
        built = tuple(int(part) for part in cuda_build.split(".")[:2])
        if built > driver:
            said = f"torch is built for CUDA {cuda_build}, the driver runs {driver[0]}.{driver[1]} at most"
            return Check("gpu", False, said, _install(_wheel(driver)))
        return Check("gpu", False, "an NVIDIA card that torch cannot reach", "run nvidia-smi: it says what is wrong")
    if "AMD" in makers and not hip_build:
        if platform.system() == "Linux":
            return Check("gpu", False, "an AMD card, but this torch is built without ROCm", _install("rocm6.4"))
        return Check("gpu", True, "an AMD card, which torch uses on Linux only: computing on the CPU")
    return Check("gpu", True, "none that torch can use: computing on the CPU")


def _usable_gpu() -> str | None:
    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory / GIB
        return f"{torch.cuda.get_device_name()} with {total:.0f} GiB"
    if torch.backends.mps.is_available():
        return "Apple GPU"
    if torch.xpu.is_available():
        return torch.xpu.get_device_name()
    return None


def _unsupported_card() -> str | None:
    """Gives the name of an NVIDIA card that is newer or older than what this build of torch has code for."""
    if not torch.cuda.is_available() or torch.version.hip:
        return None
    major, minor = torch.cuda.get_device_capability()
    built = [
        int(each.removeprefix("sm_").rstrip("af")) for each in torch.cuda.get_arch_list() if each.startswith("sm_")
    ]
    # Code for one generation runs on its later cards, and on no other generation.
    fits = any(each // 10 == major and each % 10 <= minor for each in built)
    return None if fits or not built else f"{torch.cuda.get_device_name()} (sm_{major}{minor})"


def _wheel(driver: tuple[int, int]) -> str:
    """Gives the newest of PyTorch's wheels that a driver runs: one for CUDA 12.6 runs on every driver for 12."""
    return "cu130" if driver >= (13, 0) else "cu128" if driver >= (12, 8) else "cu126"


def _install(wheel: str) -> str:
    wanted = torch.__version__.partition("+")[0]
    return f"{_pip()} install --force-reinstall torch=={wanted} --index-url {WHEELS}/{wheel}"


def _pip() -> str:
    """Gives the words that call this Python's pip, wherever that lies."""
    return f"{quoted(sys.executable)} -m pip"


def _device(device: str, dtype: str) -> Check:
    try:
        choice = choose_device(device, dtype)
    except SettingsError as error:
        return Check("device", False, str(error), "leave --device out, or name one that is there")
    if choice.warning:
        return Check("device", True, f"{choice.device}, {dtype}: {choice.reason}", choice.warning)
    return Check("device", True, f"{choice.device}, {str(choice.dtype).removeprefix('torch.')}: {choice.reason}")


def _cpu() -> Check:
    name = torch.cpu.get_capabilities().get("cpu_name", platform.processor() or "CPU")
    cores = f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads for torch"
    if cpu_trains_in_bfloat16():
        return Check(
            "cpu", True, f"{cores}; multiplies bfloat16: training on small pictures, as the embedded model's, uses it"
        )
    if cpu_multiplies(torch.bfloat16):
        return Check("cpu", True, f"{cores}; multiplies bfloat16, which nobody timed on its kind, so float32")
    return Check("cpu", True, f"{cores}; no instructions for bfloat16, so float32")


def _libraries() -> Check:
    """Imports each one: installed but broken is a frequent fault."""
    bad = {}
    import_quietly()
    for name, floor in FLOORS.items():
        try:
            importlib.import_module(name)
            found = version(name)
        except PackageNotFoundError:
            bad[name] = f"{name} is missing"
            continue
        except (ImportError, OSError) as error:
            bad[name] = f"{name} cannot be loaded ({str(error).splitlines()[0][:120]})"
            continue
        if tuple(int(part) for part in found.split(".")[:2] if part.isdecimal()) < floor:
            bad[name] = f"{name} {found} is older than {_dotted(floor)}"
    if bad:
        wanted = " ".join(f'"{name}>={_dotted(FLOORS[name])}"' for name in bad)
        return Check("libraries", False, ", ".join(bad.values()), _install_again(wanted))
    return Check("libraries", True, ", ".join(f"{name} {version(name)}" for name in FLOORS))


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _torchvision() -> Check:
    """retrato needs none; a torchvision made for another torch breaks the import of transformers."""
    try:
        found = version("torchvision")
    except PackageNotFoundError:
        return Check("torchvision", True, "not installed, not needed")
    try:
        import torchvision  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: F401
    except Exception as error:
        fix = f"{_pip()} uninstall --yes torchvision"
        return Check("torchvision", False, f"{found}, made for another torch: {str(error)[:100]}", fix)
    return Check("torchvision", True, f"{found}, not needed")


def _memory() -> Check:
    free = available_memory(torch.device("cpu"))
    found = f"{free / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        return Check("memory", False, f"{found}, {LEAST_MEMORY // GIB} are needed", "close other programs")
    return Check("memory", True, found)


def _embedded() -> Check:
    """Git LFS or a packager may have left the weights out."""
    try:
        read_index(EMBEDDED)
    except ModelError as error:
        return Check("embedded model", False, str(error), _install_again(quoted(_origin())))
    lost = [part for part in ("unet", "vae", "text_encoder") if not any((EMBEDDED / part).glob("*.safetensors"))]
    small = [path.name for path in EMBEDDED.rglob("*.safetensors") if path.stat().st_size < 1000]
    if lost or small:
        found = f"without the weights of {', '.join(lost + small)}"
        return Check("embedded model", False, found, _install_again(quoted(_origin())))
    size = sum(path.stat().st_size for path in EMBEDDED.rglob("*.safetensors"))
    return Check("embedded model", True, f"complete, {size / 1e6:.0f} MB of weights")


def _install_again(package: str) -> str:
    return f"{_pip()} install --force-reinstall --no-deps {package}"


def _origin() -> str:
    """Gives what pip installed retrato from, such as a folder or a repository: it need not be on PyPI."""
    said = json.loads(distribution("retrato").read_text("direct_url.json") or "{}")
    kind = said.get("vcs_info", {}).get("vcs", "")
    return f"{kind}+{said['url']}" if kind else str(said.get("url", "retrato"))


def _home(home: Path) -> Check:
    try:
        nearest = next(each for each in (home, *home.parents) if each.exists())
        made = temporary_file(nearest / "retrato")
        with contextlib.suppress(OSError):  # a virus scanner may look at it for a moment
            made.unlink()
    except OSError as error:
        found = f"{home} cannot be written to ({error.strerror or error})"
        return Check("home folder", False, found, _another_home())
    free = shutil.disk_usage(nearest).free
    found = f"{home}, {free / GIB:.1f} GiB free"
    if free < LEAST_DISK:
        return Check("home folder", False, f"{found}, {LEAST_DISK // GIB} are needed", _another_home())
    return Check("home folder", True, found)


def _another_home() -> str:
    """Gives the command that takes the emptiest of the places where this user may write, if there is any with room."""
    places = [each for each in (Path.home(), Path.cwd(), Path(tempfile.gettempdir())) if os.access(each, os.W_OK)]
    best = max(places, key=lambda each: shutil.disk_usage(each).free, default=None)
    if best is None or shutil.disk_usage(best).free < LEAST_DISK:
        return _setting_home("a-folder-on-another-disk")
    return _setting_home(str(best / "retrato"))


def _setting_home(folder: str) -> str:
    return f"{'setx RETRATO_HOME ' if WINDOWS else 'export RETRATO_HOME='}{quoted(folder)}"


def _network() -> Check:
    if os.environ.get("HF_HUB_OFFLINE", "1").lower() in ("1", "true", "yes", "on"):
        return Check("network", True, "not used")
    return Check("network", True, "HF_HUB_OFFLINE is off: libraries may look models up")
