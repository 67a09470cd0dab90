"""Runs a script that wants torchvision for nothing but mirroring photos, as diffusers' `textual_inversion.py` does.

`python -m retrato.evaluation.run_script FILE ...`; torchvision is not installed with retrato. Knows nothing of what the
script does.
"""

import importlib
import runpy
import sys
from types import ModuleType

import torch
from PIL import Image, ImageOps


class RandomHorizontalFlip:
    """Mirrors a picture with probability `p`, as torchvision's transform of this name does."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, image: Image.Image) -> Image.Image:
        """Gives the picture, or its mirror image; torch's own generator decides."""
        return ImageOps.mirror(image) if torch.rand(1) < self.p else image


def stand_ins() -> dict[str, ModuleType]:
    """Gives modules that stand in for torchvision, by name; none where torchvision can be imported."""
    try:
        importlib.import_module("torchvision.transforms")
    except (ImportError, RuntimeError):  # a torchvision that was built for another torch raises RuntimeError
        package, transforms = ModuleType("torchvision"), ModuleType("torchvision.transforms")
        vars(package)["transforms"] = transforms
        vars(transforms)["RandomHorizontalFlip"] = RandomHorizontalFlip
        return {module.__name__: module for module in (package, transforms)}
    return {}


def main() -> None:
    """Runs the script that is named first, with the arguments behind it."""
    for library in ("transformers", "diffusers"):  # they look for the real torchvision, once, and go on without
        importlib.import_module(library)
    sys.modules |= stand_ins()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
