"""Counts hits and misses of the checks: each defect is made from each picture of a folder, and looked for.

python benchmarks/photo_checks.py FOLDER

The tables in docs/photos.md come from it, with the pictures that PyPI packages bring: see there. Faces are counted on
those in which one is found. Prints a table and then one JSON line.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from retrato.photos import Photo, PreparedPhoto, check_photos, duplicates, prepare, read_photos
from retrato.photos import faces as face_finder
from retrato.photos.faces import Face, find_faces, identity_distance, strangers, why_missing
from retrato.photos.look import measure, problems_of
from retrato.photos.measure import Floats
from retrato.settings import PhotoSettings

SIZE = 512
ONE_GROUND = "about the same background"  # what check says about sets that have one
Edit = Callable[[Image.Image], Image.Image]


def cropped(share: float) -> Edit:
    """Gives the edit that cuts off that share of each side and enlarges what is left."""

    def edit(image: Image.Image) -> Image.Image:
        across, down = round(image.width * share), round(image.height * share)
        return image.crop((across, down, image.width - across, image.height - down)).resize(image.size)

    return edit


def recompressed(image: Image.Image) -> Image.Image:
    """Gives the picture after a JPEG of quality 20."""
    with tempfile.TemporaryFile() as file:
        image.save(file, "JPEG", quality=20)
        file.seek(0)
        return Image.open(file).convert("RGB")


# What is done to a picture, and how the sentence begins that should say so.
DEFECTS: Mapping[str, tuple[Edit, str]] = {
    "blurred by sigma 1": (lambda image: image.filter(ImageFilter.GaussianBlur(1)), "blurred"),
    "blurred by sigma 2": (lambda image: image.filter(ImageFilter.GaussianBlur(2)), "blurred"),
    "blurred by sigma 3": (lambda image: image.filter(ImageFilter.GaussianBlur(3)), "blurred"),
    "blurred by sigma 5": (lambda image: image.filter(ImageFilter.GaussianBlur(5)), "blurred"),
    "a quarter of the light": (lambda image: ImageEnhance.Brightness(image).enhance(0.25), "too dark"),
    "four fifths white": (lambda image: Image.blend(image, Image.new("RGB", image.size, "white"), 0.8), "too bright"),
    "a seventh of the contrast": (lambda image: ImageEnhance.Contrast(image).enhance(1 / 7), "flat"),
    "reduced to 300 pixels": (lambda image: ImageOps.contain(image, (300, 300)), "small"),
}
COPIES: Mapping[str, Edit] = {
    "recompressed at quality 20": recompressed,
    "mirrored": ImageOps.mirror,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a fifth brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "in grey": lambda image: image.convert("L").convert("RGB"),
    "2 % cut off each side": cropped(0.02),
    "5 % cut off each side": cropped(0.05),
    "10 % cut off each side": cropped(0.1),
    "turned by 3 degrees": lambda image: image.rotate(3, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
}


def main() -> None:
    """Prints how many of each defect were found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    photos, refused = read_photos(folder, shorter_side=SIZE)
    missing = sorted({"astronaut", "camera"} - {photo.path.stem for photo in photos})
    if missing and why_missing() is None:
        raise SystemExit(f"{folder} holds no {' and no '.join(missing)}: copy it from skimage.data, for a stranger")
    for each in refused:
        print(f"left out: {each.reason}")
    rows: list[tuple[str, int, int]] = []
    for name, (edit, sentence) in DEFECTS.items():
        rows.append((name, sum(is_said(edit(photo.image), sentence) for photo in photos), len(photos)))
    alarms = [each for photo in photos for each in said_about(photo.image) if not each.startswith("small")]
    rows.append(("false alarms on the pictures themselves", len(alarms), len(photos)))
    rows += copies(photos)
    if why_missing() is None:
        rows += detectors(photos) + strangers_told(photos) + faces(photos) + masks(photos)
    rows += sets(photos)
    for name, hits, of in rows:
        print(f"| {name} | {hits} of {of} |", flush=True)
    print("\n".join(alarms))
    print(json.dumps({name: [hits, of] for name, hits, of in rows}))


def said_about(image: Image.Image) -> tuple[str, ...]:
    """Gives what check says about one picture, faces aside."""
    return problems_of(measure(Photo(Path("it.png"), image, image.size), SIZE), SIZE, None, None, False)


def is_said(image: Image.Image, sentence: str) -> bool:
    """Says whether check names the defect."""
    return any(each.startswith(sentence) for each in said_about(image))


def copies(photos: list[Photo]) -> list[tuple[str, int, int]]:
    """Counts copies that are known as such, and pairs of different pictures that are taken for copies."""
    prints = [duplicates.fingerprint(photo.image) for photo in photos]
    rows = []
    for name, edit in COPIES.items():
        near = [
            duplicates.distance(known, duplicates.fingerprint(edit(photo.image))) <= duplicates.NEAR
            for known, photo in zip(prints, photos, strict=True)
        ]
        rows.append((f"copy {name}", sum(near), len(near)))
    pairs = [duplicates.distance(*pair) <= duplicates.NEAR for pair in itertools.combinations(prints, 2)]
    return [*rows, ("different pictures taken for copies", sum(pairs), len(pairs))]


def detectors(photos: list[Photo]) -> list[tuple[str, int, int]]:
    """Counts the pictures in which each detector finds something, and all of its finds; the eye says which are faces.

    The quick one alone is dlib's HOG at its own threshold; `check` and `prepare` let the network confirm what it finds.
    """
    finders = face_finder._finders()
    alone = [len(finders.quick.run(np.asarray(photo.image), 1, 0.0)[0]) for photo in photos]
    network = [len(finders.network(np.asarray(photo.image), 0)) for photo in photos]
    quick = [len(find_faces(photo.image)) for photo in photos]
    thorough = [len(find_faces(photo.image, thorough=True)) for photo in photos]
    rows = []
    named = {"HOG alone": alone, "network alone": network, "quick search": quick, "thorough search": thorough}
    for name, found in named.items():
        rows.append((f"pictures with a find, {name}", sum(map(bool, found)), len(photos)))
        rows.append((f"finds in them, {name}", sum(found), len(photos)))
        print(name, {photo.path.name: count for photo, count in zip(photos, found, strict=True)})
    return rows


def strangers_told(photos: list[Photo]) -> list[tuple[str, int, int]]:
    """Counts, in sets of four pictures made of one and one of somebody else, who is told for a stranger.

    Somebody else is the astronaut of scikit-image, for her own set its man with a camera.
    """
    others = {photo.path.stem: photo.image for photo in photos}
    known = {name: image for name, image in others.items() if find_faces(image)}
    edits: tuple[Edit, ...] = (
        lambda image: image,
        ImageOps.mirror,
        lambda image: ImageEnhance.Brightness(image).enhance(0.6),
        lambda image: image.rotate(10, Image.Resampling.BICUBIC),
    )
    hits = alarms = 0
    for name, image in known.items():
        other = others["camera" if name == "astronaut" else "astronaut"]
        found = [next(iter(find_faces(edit(image))), None) for edit in edits]
        told = strangers([*found, next(iter(find_faces(other)), None)])
        hits += len(edits) in told
        alarms += sum(at < len(edits) for at in told)
    return [
        ("somebody else among four of one person told", hits, len(known)),
        ("one of the four told for somebody else", alarms, len(known) * len(edits)),
    ]


def sets(photos: list[Photo]) -> list[tuple[str, int, int]]:
    """Counts the sets of all pictures, each on its own ground or cut out on one, that are said to have one ground."""
    rows = []
    shape = Image.new("L", (SIZE, SIZE), 0)
    ImageDraw.Draw(shape).ellipse((100, 70, SIZE - 100, SIZE - 40), fill=255)
    squares = [ImageOps.fit(photo.image, shape.size) for photo in photos]
    grounds = ((206, 214, 222), (70, 120, 60), (40, 40, 46), (150, 60, 40))
    cut_out = [
        [Image.composite(each, Image.new("RGB", each.size, ground), shape) for each in squares] for ground in grounds
    ]
    for name, made in (("sets on one ground said to be", cut_out), ("sets on their own grounds said to be", [squares])):
        said = 0
        for images in made:
            with tempfile.TemporaryDirectory() as folder:
                for number, image in enumerate(images):
                    image.save(Path(folder, f"{number:03}.png"))
                advice = check_photos(folder, size=SIZE, faces=False).advice
            said += any(ONE_GROUND in sentence for sentence in advice)
        rows.append((name, said, len(made)))
    return rows


def faces(photos: list[Photo]) -> list[tuple[str, int, int]]:
    """Counts faces that are found again and known again after each change; a picture's own face is the reference."""
    known = [(photo.image, found[0]) for photo in photos if (found := find_faces(photo.image, thorough=True))]
    changes: Mapping[str, Edit] = {
        "turned by 20 degrees": lambda image: image.rotate(20, Image.Resampling.BICUBIC),
        "turned by 45 degrees": lambda image: image.rotate(45, Image.Resampling.BICUBIC),
        "mirrored": ImageOps.mirror,
        "a quarter of the light": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
        "blurred by sigma 2": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
        "blurred by sigma 5": lambda image: image.filter(ImageFilter.GaussianBlur(5)),
        "reduced to 200 pixels": lambda image: ImageOps.contain(image, (200, 200)),
    }
    rows = [("pictures with a face found", len(known), len(photos))]
    for name, edit in changes.items():
        again = [(find_faces(edit(image)), face) for image, face in known]
        rows.append((f"face found, {name}", sum(bool(found) for found, _ in again), len(known)))
        rows.append(
            (f"and known as the same person, {name}", sum(is_same(found, face) for found, face in again), len(known))
        )
    return rows


def masks(photos: list[Photo]) -> list[tuple[str, int, int]]:
    """Counts masks that `prepare` draws as they should be: of a part of the picture on a plain ground, and of a face.

    Of the first the true mask is known, a large ellipse: a hit shares nine tenths with it. Of a face the mask should
    cover the face, and less than the picture.
    """
    found = {photo.path: find_faces(photo.image) for photo in photos}
    alone, shapes = [], []
    for photo in photos:
        image = ImageOps.fit(photo.image, (SIZE, SIZE))
        shape = Image.new("L", image.size, 0)
        ImageDraw.Draw(shape).ellipse((100, 70, SIZE - 100, SIZE - 40), fill=255)
        alone.append(Image.composite(image, Image.new("RGB", image.size, (206, 214, 222)), shape))
        shapes.append(np.asarray(shape) > 127)
    drawn = [None if mask is None else mask > 127 for mask in drawn_masks(alone)]
    hits = [
        mask is not None and bool((mask & shape).sum() >= 0.9 * (mask | shape).sum())
        for mask, shape in zip(drawn, shapes, strict=True)
    ]
    with_face = [photo for photo in photos if found[photo.path]]
    covered = []
    for photo, mask in zip(with_face, drawn_masks([photo.image for photo in with_face], crop="none"), strict=True):
        scale = SIZE / max(photo.image.size)
        shift = [(SIZE - side * scale) / 2 for side in photo.image.size]
        left, top, right, bottom = (
            round(value * scale + shift[at % 2]) for at, value in enumerate(found[photo.path][0].box)
        )
        face = None if mask is None else mask[top:bottom, left:right] > 127
        covered.append(mask is not None and face is not None and bool(face.mean() >= 0.9 and mask.mean() < 204))
    without = [photo.image for photo in photos if not found[photo.path]]
    return [
        ("mask of a part on a plain ground within 0.9", sum(hits), len(hits)),
        ("mask covers the face, and at most four fifths", sum(covered), len(covered)),
        ("no mask where nothing shows the subject", sum(mask is None for mask in drawn_masks(without)), len(without)),
    ]


def drawn_masks(images: list[Image.Image], crop: Literal["center", "none"] = "center") -> list[Floats | None]:
    """Gives the masks that `prepare` draws for pictures, None where it draws none."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "photos"
        folder.mkdir()
        for number, image in enumerate(images):
            image.save(folder / f"{number:03}.png")
        prepared = prepare(folder, Path(work) / "out", PhotoSettings(size=SIZE, mask=True, crop=crop))
        files = [each.mask for each in prepared if isinstance(each, PreparedPhoto)]
        return [np.asarray(Image.open(file), dtype=float) if file else None for file in files]


def is_same(found: tuple[Face, ...], face: Face) -> bool:
    """Says whether the largest of the faces found is the known one's person."""
    return bool(found) and identity_distance(found[0], face) <= 0.6


if __name__ == "__main__":
    main()
