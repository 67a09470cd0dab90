import sys

import pytest
import torch
from PIL import Image

from retrato.evaluation.run_script import stand_ins


def test_half_of_the_photos_are_mirrored_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    found = stand_ins()
    assert list(found) == ["torchvision", "torchvision.transforms"]
    photo = Image.new("RGB", (2, 1))
    photo.putpixel((0, 0), (255, 0, 0))
    flip = found["torchvision"].transforms.RandomHorizontalFlip(p=0.5)
    torch.manual_seed(0)
    mirrored = [flip(photo).getpixel((1, 0)) == (255, 0, 0) for _ in range(200)]
    assert 70 < sum(mirrored) < 130
    assert photo.getpixel((0, 0)) == (255, 0, 0)


def test_a_torchvision_that_works_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchvision", "torchvision.transforms"):
        monkeypatch.setitem(sys.modules, name, sys)
    assert stand_ins() == {}
