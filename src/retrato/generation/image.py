"""A drawn picture with everything needed to draw it again. Knows how it is filed, not how it was drawn."""

import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from retrato.files import write_numbered
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

    def save(self, folder: str | Path, *, is_noted: bool = False) -> Path:
        """Writes `<next number>-<seed>.png` with its parameters into `folder` (see `write_numbered`); gives its path.

        The ending is that of `settings.picture_format`; where the parameters stand, `picture_bytes` says.
        """
        ending = self.settings.picture_format
        content = picture_bytes(self.image, ending, self.infotext)
        name = lambda number: f"{number:05d}-{self.seed}.{ending}"
        return write_numbered(Path(folder), name, _NUMBERED, content, is_noted=is_noted)
