"""What lies hidden beside a photo of a set that was cut: the whole of it, and how it was cut."""

from pathlib import Path

from PIL import Image


def whole_of(photo: Path) -> Path:
    """Gives where the whole of a photo that was cut lies; hidden, so that nobody learns from it."""
    return photo.with_name(f".{photo.stem}.whole.png")


def cut_of(photo: Path) -> Path:
    """Gives where it says how a photo was cut."""
    return photo.with_name(f".{photo.stem}.cut.json")


def whole_size(photo: Path) -> tuple[int, int]:
    """Gives the width and height in pixels of a photo as it was before it was cut."""
    whole = whole_of(photo)
    with Image.open(whole if whole.exists() else photo) as image:
        return image.size


def is_free_for(place: Path, picture: bytes) -> bool:
    """Says whether nothing lies in `place` but, cut or not, this very picture."""
    whole = whole_of(place) if whole_of(place).exists() else place
    return not place.exists() or whole.read_bytes() == picture
