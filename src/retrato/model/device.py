"""Chooses where the frozen model computes and in which number format, and says why.

Knows nothing of what is loaded.
"""

import functools
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from retrato.errors import SettingsError

logger = logging.getLogger("retrato")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNUSED_CARD = "an NVIDIA card, but this torch is built without CUDA"
KINDS = "auto, cpu, cuda, cuda:<number>, mps or xpu"
# Instructions for bfloat16 with which training was timed. ARM has others, with which it never was.
TIMED = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """A device, the number format of the U-Net on it, the reason in one sentence, and a warning where it is unwise."""

    device: torch.device
    dtype: torch.dtype
    reason: str
    warning: str | None = None


def choose_device(device: str = "auto", dtype: str = "auto") -> DeviceChoice:
    """Gives the device and number format for `device` (auto, cpu, cuda:1, ...) and `dtype` (auto, float32, ...).

    Raises SettingsError for a device that this machine or this torch has not got.
    """
    if device == "auto":
        chosen, reason = _best_device()
    else:
        chosen, reason = _named_device(device), f"{device} was asked for"
    if dtype == "auto":
        best, why = _best_dtype(chosen)
        return DeviceChoice(chosen, best, f"{reason}; {why}")
    if dtype not in DTYPES:
        raise SettingsError(f"dtype is {dtype!r}: choose auto or one of {', '.join(DTYPES)}")
    return DeviceChoice(chosen, DTYPES[dtype], f"{reason}; {dtype} was asked for", _warning(chosen, dtype))


def cpu_multiplies(dtype: torch.dtype) -> bool:
    """Says whether this CPU has instructions that multiply `dtype`; without them it converts each number to and fro."""
    names = {
        torch.float32: (),
        torch.bfloat16: (*TIMED, "bf16", "sve_bf16"),
        torch.float16: ("avx512_fp16", "amx_fp16", "fp16", "fp16_arith"),
    }[dtype]
    return not names or _has_any(names)


def cpu_trains_in_bfloat16() -> bool:
    """Says whether training may use this CPU's bfloat16; `training.frozen` says for which models and batches."""
    return _has_any(TIMED)


def _has_any(names: Sequence[str]) -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in names)


def _best_device() -> tuple[torch.device, str]:
    if torch.cuda.is_available():
        return torch.device("cuda"), f"a GPU was found: {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return torch.device("mps"), "an Apple GPU was found"
    if torch.xpu.is_available():
        return torch.device("xpu"), f"an Intel GPU was found: {torch.xpu.get_device_name()}"
    _say_what_is_unused()
    return torch.device("cpu"), "no GPU that this torch can use was found"


@functools.cache  # it need be said once only
def _say_what_is_unused() -> None:
    """Logs that there is a card which this torch cannot use: on Windows that is the torch which pip installs."""
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        logger.warning("computing on the CPU: there is %s; `retrato doctor` says what to install", UNUSED_CARD)


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"device is {name!r}: choose {KINDS}") from None
    counts = {"cuda": (torch.cuda.device_count, "CUDA"), "xpu": (torch.xpu.device_count, "Intel")}
    if device.type in counts:
        count, maker = counts[device.type]
        if (device.index or 0) >= (found := count()):
            raise SettingsError(
                f"device is {name!r}, but torch sees {found} {maker} GPUs: run `retrato doctor` or use cpu"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"device is {name!r}, but this torch cannot use an Apple GPU here: use cpu")
    if device.type not in ("cpu", "cuda", "mps", "xpu"):
        raise SettingsError(f"device is {name!r}: choose {KINDS}")
    return device


# Architectures of AMD that compute bfloat16: CDNA 2 and 3, RDNA 3 and 4.
AMD_WITH_BFLOAT16 = ("gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")
# Cards of NVIDIA's Turing without tensor cores, whose float16 is known for black pictures (pytorch issue 58123).
FAULTY_FLOAT16 = ("1630", "1650", "1660", "T500", "T600", "T1000", "T1200", "T2000", "MX450", "MX550")


def _best_dtype(device: torch.device) -> tuple[torch.dtype, str]:
    """Half precision only on GPUs that have it, and never by itself on a CPU, where it is up to 50 times slower.

    bfloat16 before float16: it has float32's range, so gradients through the U-Net need no loss scaling.
    """
    if device.type == "cuda":
        if torch.version.hip:  # AMD's numbers are no capabilities of NVIDIA's
            name = str(getattr(torch.cuda.get_device_properties(device), "gcnArchName", ""))
            if name.startswith(AMD_WITH_BFLOAT16):
                return torch.bfloat16, "it computes bfloat16"
            return torch.float16, f"{name.partition(':')[0] or 'it'} is older than bfloat16, so float16"
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return torch.bfloat16, "it computes bfloat16"
        name = torch.cuda.get_device_name(device)
        if any(faulty in name for faulty in FAULTY_FLOAT16):
            return torch.float32, "float32, as half precision gives no numbers on cards of this kind"
        return torch.float16, "it is older than bfloat16, so float16"
    if device.type == "xpu":
        return torch.bfloat16, "it computes bfloat16"
    if device.type == "mps":
        return torch.float32, "float32, as half precision is known to draw black pictures there"
    return torch.float32, "float32, which a CPU computes best"


def _warning(device: torch.device, dtype: str) -> str | None:
    if device.type != "cpu" or cpu_multiplies(DTYPES[dtype]):
        return None
    return f"{dtype} was asked for, but this CPU has no instructions for it: float32 can be 50 times faster"
