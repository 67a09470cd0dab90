"""A drawn picture with everything needed to draw it again. Knows how it is filed, not how it was drawn."""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from retrato.files import write_atomic
from retrato.generation.picture_text import picture_bytes
from retrato.settings import GenerateSettings

_NUMBERED = re.compile(r"(\d{5,18})-")


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """A picture, its seed, its `parameters` text, and settings with nothing left open that draw it alone."""

    image: Image.Image
    seed: int
    infotext: str
    settings: GenerateSettings

    def save(self, folder: str | Path) -> Path:
        """Writes `<next free number>-<seed>.png` with its parameters into `folder`, atomically, and gives its path.

        The ending is that of `settings.picture_format`; where the parameters stand, `picture_bytes` says.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = _reserve(folder, self.seed, self.settings.picture_format)
        with ExitStack() as undo:
            undo.callback(path.unlink, missing_ok=True)
            write_atomic(path, picture_bytes(self.image, self.settings.picture_format, self.infotext))
            undo.pop_all()
        return path


def _reserve(folder: Path, seed: int, ending: str) -> Path:
    """Creates an empty file under the next free number, so that two processes never take the same one."""
    taken = [int(found[1]) for entry in folder.iterdir() if (found := _NUMBERED.match(entry.name))]
    number = max(taken, default=-1) + 1
    while True:
        path = folder / f"{number:05d}-{seed}.{ending}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path
