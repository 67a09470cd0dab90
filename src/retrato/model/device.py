"""Chooses where the frozen model computes and in which number format, and says why.

Knows nothing of what is loaded.
"""

from dataclasses import dataclass

import torch

from retrato.errors import SettingsError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """A device, the number format of the U-Net on it, and the reason in one sentence."""

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose_device(device: str = "auto", dtype: str = "auto") -> DeviceChoice:
    """Gives the device and number format for `device` (auto, cpu, cuda, cuda:1, mps) and `dtype` (auto, float32, ...).

    Raises SettingsError for a device that this machine or this torch has not got.
    """
    if device == "auto":
        chosen, reason = _best_device()
    else:
        chosen, reason = _named_device(device), f"{device} was asked for"
    if dtype == "auto":
        return DeviceChoice(chosen, _best_dtype(chosen), reason)
    if dtype not in DTYPES:
        raise SettingsError(f"dtype is {dtype!r}: choose auto or one of {', '.join(DTYPES)}")
    return DeviceChoice(chosen, DTYPES[dtype], reason)


def _best_device() -> tuple[torch.device, str]:
    if torch.cuda.is_available():
        return torch.device("cuda"), f"a GPU was found: {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return torch.device("mps"), "an Apple GPU was found"
    return torch.device("cpu"), "no GPU that this torch can use was found"


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"device is {name!r}: choose auto, cpu, cuda, cuda:<number> or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise SettingsError(f"device is {name!r}, but torch sees {found} CUDA GPUs: run `retrato doctor` or use cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"device is {name!r}, but this torch cannot use an Apple GPU here: use cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"device is {name!r}: choose auto, cpu, cuda, cuda:<number> or mps")
    return device


def _best_dtype(device: torch.device) -> torch.dtype:
    """Half precision only on CUDA: slower on CPUs without it, and a known source of black pictures on Apple GPUs.

    bfloat16 before float16: it has float32's range, so gradients through the U-Net need no loss scaling.
    """
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
