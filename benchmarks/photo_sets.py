"""Counts hits and misses of what `check` says about sets, and of the framing, on photographs of people.

mkdir FOLDER; cd FOLDER; mkdir tabler-ui material-kit face-api
npm pack tabler-ui@0.0.34 && tar xzf tabler-ui-*.tgz -C tabler-ui
npm pack material-kit@2.0.4 && tar xzf material-kit-*.tgz -C material-kit
npm pack @vladmandic/face-api@1.7.15 && tar xzf vladmandic-face-api-*.tgz -C face-api
pip download --no-deps ultralytics==8.4.190 && unzip ultralytics-*.whl
python benchmarks/photo_sets.py FOLDER

The first three are under MIT, the last under AGPL-3.0, by their packages' words; none of their pictures is in this
repository. Which photo shows how much of a person was labelled by eye, see photo_labels.json: of `people` the rows
(crown, chest, hips and feet, if they show), the middle column and the outline are in per cent of the picture. Sets are
drawn with a fixed seed. Prints a table and then one JSON line.
"""

import argparse
import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from retrato.photos import Photo
from retrato.photos.advice import Figures, set_advice
from retrato.photos.faces import Face, find_faces
from retrato.photos.framing import framing
from retrato.photos.look import measure
from retrato.photos.photo import read_photo

LABELS = Path(__file__).with_name("photo_labels.json")
SIZE = 256
PER_SET, SETS = 12, 40
TURNED = 8  # photos a set of faces that look one way, of which there are fewer
# What check says about sets that have one of something.
SENTENCES = {"clothes": "clothes of about the same", "same way": "look the same way", "lit": "lit much alike"}
Known = tuple[Photo, Face]
Picture = tuple[Image.Image, Image.Image | None, str]
Rows = list[tuple[str, int, int]]


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--drawn", type=int, default=0, help="also the framing of so many drawn people")
    options = parser.parse_args()
    folder = options.folder
    labels = json.loads(LABELS.read_text("utf-8"))
    whole = [(read_photo(folder / name), kind) for name, kind in labels["framing"].items()]
    found = [find_faces(photo.image) for photo, _ in whole]
    known = [(photo, faces[0]) for (photo, _), faces in zip(whole, found, strict=True) if faces]
    rows: Rows = [("photographs of one person in which a face is found", len(known), len(whole))]
    rows += framings("whole photographs", [(photo.image, None, kind) for photo, kind in whole])
    cut = [each for person in labels["people"] for each in cut_out(folder, person)]
    rows += framings("cut from larger photographs", [(image, None, kind) for image, _, kind in cut])
    outlined = [each for each in cut if each[1] is not None]
    rows += framings("cut out along the outline", outlined, by_outline_only=True)
    if options.drawn:
        rows += framings("drawings", drawn(options.drawn), by_outline_only=True)
    rows += sets(known, {folder / name: way for name, way in labels["way"].items()})
    for name, hits, of in rows:
        print(f"| {name} | {hits} of {of} |", flush=True)
    print(json.dumps({name: [hits, of] for name, hits, of in rows}))


def cut_out(folder: Path, person: dict[str, Any]) -> list[Picture]:
    """Gives a person's close, half and full pictures, 3:4 with a tenth of air above, each with its mask and label."""
    image = Image.open(folder / person["file"]).convert("RGB")
    mask = None
    if outline := person.get("outline"):
        mask = Image.new("L", image.size, 0)
        ImageDraw.Draw(mask).polygon([(x * image.width / 100, y * image.height / 100) for x, y in outline], fill=255)
    crown, *ends = (row * image.height / 100 for row in person["rows"])
    made = []
    for kind, end in zip(("close", "half", "full"), ends, strict=False):
        air = 0.1 * (end - crown)
        height = end - crown + air + (air if kind == "full" else 0)
        left = person["middle"] * image.width / 100 - 0.375 * height
        box = (round(left), round(crown - air), round(left + 0.75 * height), round(crown - air + height))
        # Beyond the picture's edge nothing is shown: the part that is there.
        box = (max(0, box[0]), max(0, box[1]), min(image.width, box[2]), min(image.height, box[3]))
        part = ImageOps.contain(image.crop(box), (800, 800))
        made.append((part, mask.crop(box).resize(part.size) if mask else None, kind))
    return made


def drawn(people: int) -> list[Picture]:
    """Gives drawings of people whom no training picture shows, four of each; needs `pip install --group mini`."""
    from mini.people import held_out_identities, random_scene
    from mini.renders import draw

    kinds = {"full body": "full", "half body": "half", "close-up": "close", "portrait": "close"}
    source = random.Random(20261126)
    return [
        (draw(person, random_scene(source, "photo", framed), SIZE), None, kind)
        for person in held_out_identities(people, salt=20261126)
        for framed, kind in kinds.items()
    ]


def framings(name: str, pictures: Sequence[Picture], *, by_outline_only: bool = False) -> Rows:
    """Counts pictures with the right, a wrong and no framing: by the face, and without it by the outline."""
    by_face: Counter[str] = Counter()
    by_outline: Counter[str] = Counter()
    for image, mask, wanted in pictures:
        faces = () if by_outline_only else find_faces(image)
        small = ImageOps.contain(image, (2 * SIZE, 2 * SIZE))
        outline = framing(small, mask.resize(small.size) if mask else None)
        by_outline[f"{wanted} {outline}"] += 1
        by_face[f"{wanted} {framing(image, None, faces[0].box) if faces else None}"] += 1
    rows: Rows = []
    for how, counts in (("the face", by_face), ("the outline", by_outline)):
        if how == "the face" and by_outline_only:
            continue
        print(name, "by", how, dict(sorted(counts.items())))
        right = sum(count for key, count in counts.items() if len(set(key.split())) == 1)
        untold = sum(count for key, count in counts.items() if key.endswith("None"))
        rows.append((f"framing, {name}, by {how}: right", right, len(pictures)))
        rows.append((f"framing, {name}, by {how}: wrong", len(pictures) - right - untold, len(pictures)))
        rows.append((f"framing, {name}, by {how}: not told", untold, len(pictures)))
    return rows


def sets(known: Sequence[Known], ways: dict[Path, str]) -> Rows:
    """Counts the sets that are said to have one outfit, pose or light: those made so, and those made otherwise."""
    source = random.Random(20261126)
    figures = [figures_of(photo.image, face) for photo, face in known]
    by_way: dict[str, list[Figures]] = {"left": [], "right": [], "front": []}
    for (photo, _), own in zip(known, figures, strict=True):
        if way := ways.get(photo.path):
            by_way[way].append(own)
            # A face that is turned counts to the other side too, mirrored, if it is found again there.
            if way != "front" and (face := mirror(photo)):
                by_way["left" if way == "right" else "right"].append(figures_of(ImageOps.mirror(photo.image), face))
    print({way: [each.turn and round(each.turn, 2) for each in found] for way, found in by_way.items()})

    donors = [each for each in known if swatch(*each) is not None]
    made: dict[str, list[Sequence[Figures]]] = {}

    def draw(name: str, make: Any) -> None:
        made[name] = [make() for _ in range(SETS)]

    def worn(same: bool) -> list[Figures]:
        picked = source.sample(known, PER_SET)
        donor = source.choice(donors)
        return [dressed(each, donor if same else source.choice(donors), source) for each in picked]

    def lit(same: bool) -> list[Figures]:
        photo, face = source.choice(known)
        return [relit(photo.image, face, same, source) for _ in range(PER_SET)]

    draw("as they are", lambda: source.sample(figures, PER_SET))
    draw("clothes: one outfit in light a quarter brighter or darker", lambda: worn(True))
    draw("clothes: another person's clothes in each", lambda: worn(False))
    for way, found in by_way.items():
        draw(f"same way: all to the {way}", lambda found=found: source.sample(found, TURNED))
    half = TURNED // 2
    for one, other in itertools.combinations(by_way, 2):
        pair = (by_way[one], by_way[other])
        name = f"same way: half to the {one}, half to the {other}"
        draw(name, lambda pair=pair: [each for found in pair for each in source.sample(found, half)])
    draw("lit: one photo in one light", lambda: lit(True))
    draw("lit: one photo in lights from all sides, warm and cold", lambda: lit(False))
    rows: Rows = []
    for name, drawn in made.items():
        told = [" ".join(set_advice(each, doubtful=(), refused=())) for each in drawn]
        for what, sentence in SENTENCES.items():
            if name.startswith(what) or name == "as they are":
                rows.append((f"{name}: {sentence}", sum(sentence in each for each in told), SETS))
    return rows


def figures_of(image: Image.Image, face: Face) -> Figures:
    """Gives what advice knows of a picture with that face."""
    return measure(Photo(Path("it.png"), image, image.size), SIZE, (face,)).figures


def mirror(photo: Photo) -> Face | None:
    """Gives the face found in the mirrored photo, None where it is not found again."""
    return next(iter(find_faces(ImageOps.mirror(photo.image))), None)


def swatch(photo: Photo, face: Face) -> Image.Image | None:
    """Gives a piece of what the person wears, as wide as the face, None where the photo ends too soon below it."""
    left, _, right, bottom = face.box
    box = (left, bottom + round(0.4 * face.height), right, photo.image.height)
    return photo.image.crop(box) if box[3] - box[1] >= 0.25 * face.height else None


def dressed(person: Known, donor: Known, source: random.Random) -> Figures:
    """Gives the figures of a person in the clothes of another, in light of another strength and colour."""
    photo, face = person
    cloth = swatch(*donor)
    assert cloth is not None
    left, _, right, bottom = face.box
    shape = Image.new("L", photo.image.size, 0)
    width, top = right - left, bottom + round(0.25 * face.height)
    ImageDraw.Draw(shape).ellipse((left - width, top, right + width, top + 5 * face.height), fill=255)
    strength, warmth = source.uniform(0.75, 1.25), source.uniform(-0.08, 0.08)
    gain = strength * np.array((1 + warmth, 1, 1 - warmth))
    pixels = (np.asarray(cloth.resize(photo.image.size)) * gain).clip(0, 255).astype(np.uint8)
    return figures_of(Image.composite(Image.fromarray(pixels), photo.image, shape), face)


def relit(image: Image.Image, face: Face, same: bool, source: random.Random) -> Figures:
    """Gives the figures of a photo in nearly its own light, or in a lamp's from one side."""
    strength, warmth, side = (0.04, 0.02, 0.05) if same else (0.4, 0.2, 0.4)
    gain = (1 + source.uniform(-strength, strength)) * np.array((1 + (w := source.uniform(-warmth, warmth)), 1, 1 - w))
    slope = np.linspace(1 - (s := source.uniform(-side, side)), 1 + s, image.width)[None, :, None]
    pixels = (np.asarray(image, dtype=float) * gain * slope).clip(0, 255).astype(np.uint8)
    return figures_of(Image.fromarray(pixels), face)


if __name__ == "__main__":
    main()
