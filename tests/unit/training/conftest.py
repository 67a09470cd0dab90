"""Photos, settings and a stand-in scorer that are small enough to train on in a test."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from retrato.model import Components
from retrato.photos import Photo
from retrato.settings import TrainSettings
from retrato.training import TrainingEvent, train


def coloured_photo(number: int, folder: Path = Path("photos")) -> Photo:
    """A picture of 4x4 random patches, different for each number, with a caption for every even one."""
    patches = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST)
    return Photo(folder / f"{number:02}.png", image, image.size, "red hat, a cat" if number % 2 == 0 else None)


@pytest.fixture
def photos() -> list[Photo]:
    return [coloured_photo(number) for number in range(6)]


@pytest.fixture
def quick() -> TrainSettings:
    """Six steps of two photos, an evaluation every second and a candidate every third step."""
    return TrainSettings(
        name="ana-t1", initializer_text="person", steps=6, batch_size=2, evaluate_every=2, save_every=3
    )


@pytest.fixture
def run_training(
    tiny_components: Components, photos: list[Photo], tmp_path: Path
) -> Callable[..., Iterator[TrainingEvent]]:
    """Starts a training of the tiny model in `tmp_path / folder`."""

    def start(settings: TrainSettings, folder: str = "run", **options: object) -> Iterator[TrainingEvent]:
        return train(tiny_components, photos, settings, run_folder=tmp_path / folder, **options)

    return start


class ColourScorer:
    """Scores by mean colour; a text is the colour that its length says. Stands in for `model.score.Scorer`."""

    hash = "colour"

    def embed_identity(self, images: Sequence[Image.Image]) -> Tensor:
        means = torch.stack([torch.tensor(np.asarray(image, dtype=np.float32)).mean(dim=(0, 1)) for image in images])
        return torch.nn.functional.normalize(means - 127.5, dim=1)

    def embed_images(self, images: Sequence[Image.Image]) -> Tensor:
        return self.embed_identity(images)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        angles = torch.tensor([float(len(text)) for text in texts])
        return torch.nn.functional.normalize(torch.stack([angles.cos(), angles.sin(), angles * 0], dim=1), dim=1)


@pytest.fixture
def scorer() -> ColourScorer:
    return ColourScorer()


@pytest.fixture
def everyone_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their loss: the tiny model's falls by chance."""
    monkeypatch.setattr("retrato.training.pick.near_least_loss", lambda found, _: list(range(len(found))))
