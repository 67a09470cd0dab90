"""X/Y/Z comparison sheets: the same drawing over and over, with one thing changed along each axis.

Knows axes by what they do; what they are called is `axes`' business.
"""

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from retrato.embeddings import Embedding
from retrato.errors import ModelError, SettingsError
from retrato.files import write_numbered
from retrato.generation.axes import AXES, Axis, State
from retrato.generation.canvas import read_source
from retrato.generation.generate import Drawn, Sampled, generate
from retrato.generation.image import GeneratedImage
from retrato.generation.infotext import written_fields
from retrato.generation.resolve import hires_size, resolve_settings, seeded
from retrato.hypernetworks import Hypernetwork
from retrato.model.components import Components
from retrato.photos.encode import encode
from retrato.settings import GenerateSettings

MOST_CELLS = 400
MOST_PIXELS = 178_000_000  # more Pillow takes for an attack, and opens no such file
_PAPER, _INK, _FAINT = "#ffffff", "#26242b", "#77727d"
_GAP, _LINE = 6, 20
_NUMBERED = re.compile(r"grid-(\d{1,18})\.png$")


# Loads a model for one cell's settings and gives what it can draw: it, and the people learned for it.
Load = Callable[[GenerateSettings], tuple[Components, Mapping[str, Embedding]]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet, with the value that holds for it on each axis (x, y, z, as far as there are).

    `place` is where it stands on the sheet, x fastest.
    """

    image: GeneratedImage
    labels: tuple[str, ...]
    place: int


def _own_model_only(model: str, vae: str) -> Load:
    raise ModelError(f"the model {model or vae} was not given to this sheet: draw it by a studio")


def draw_grid(
    components: Components,
    settings: GenerateSettings,
    axes: Sequence[Axis],
    embeddings: Mapping[str, Embedding],
    hypernetworks: Mapping[str, Hypernetwork] = MappingProxyType({}),
    *,
    first: int = 0,
    find_model: Callable[[str, str], Load] = _own_model_only,
    finish: Callable[[GenerateSettings], GenerateSettings] = lambda settings: settings,
) -> Iterator[Sampled | Cell]:
    """Draws one picture for each combination of values, x fastest, and yields each step and each cell.

    All share one seed unless an axis says another. Where axes name models, each model (and VAE) is loaded once, and
    draws all its cells before the next. The first `first` of the cells are left out: they are there already.
    `find_model` finds a model and a VAE by name (empty for the sheet's own); `finish` is applied to the settings of
    each cell. Raises SettingsError, PromptError, EmbeddingError or ModelError before the first step where any cell asks
    for what does not exist.
    """
    count = require_sheet(axes)
    settings = seeded(settings)

    def cell(places: Sequence[int], people: Mapping[str, Embedding]) -> State:
        state = _changed(State(settings.changed(count=1), people), axes, places)
        return state._replace(settings=finish(state.settings))

    cells = [(place, labels, places, cell(places, embeddings)) for place, (labels, places) in enumerate(_all(axes))]
    models = list(dict.fromkeys((state.model, state.vae) for *_, state in cells))
    for model in models:
        if any(model):
            find_model(*model)
    _require_room([_size(components, state.settings) for *_, state in cells], axes)
    cells.sort(key=lambda cell: models.index((cell[3].model, cell[3].vae)))  # each is loaded once
    loaded: tuple[str, str] = ("", "")
    drawn_by, people = components, embeddings
    for number, (place, labels, places, state) in enumerate(cells[first:], first):
        if (state.model, state.vae) != loaded:
            loaded, drawn_by = (state.model, state.vae), components  # the one before makes room
            drawn_by, people = find_model(*loaded)(state.settings) if any(loaded) else (components, embeddings)
        if any(loaded):
            state = cell(places, people)
        for event in generate(drawn_by, state.settings, state.embeddings, hypernetworks):
            if isinstance(event, Drawn):
                yield Cell(event.image, labels, place)
            else:
                yield Sampled(event.step, event.steps, number, count, event.latents, event.estimate)


def require_sheet(axes: Sequence[Axis]) -> int:
    """Gives how many pictures the axes make; raises SettingsError where these are no sheet."""
    if not 1 <= len(axes) <= 3:
        raise SettingsError(f"a sheet has {len(axes)} axes: give one to three, x, y and z")
    count = math.prod(len(axis.labels) for axis in axes)
    if count > MOST_CELLS:
        raise SettingsError(f"the axes make {count} pictures: at most {MOST_CELLS} fit on a sheet")
    return count


def _require_room(sizes: Sequence[tuple[int, int]], axes: Sequence[Axis]) -> None:
    """Raises SettingsError where pictures of `sizes` make a sheet that nobody could open."""
    columns, rows, tables = (len(axes[at].labels) if at < len(axes) else 1 for at in range(3))
    width, height = (max(sides) for sides in zip(*sizes, strict=True))
    pixels = columns * (width + _GAP) * rows * (height + _GAP) * tables
    if pixels > MOST_PIXELS:
        raise SettingsError(
            f"the sheet would have {math.ceil(pixels / 1e6)} megapixels, at most {MOST_PIXELS // 1_000_000} can be "
            "opened again: take fewer values, or smaller pictures"
        )


def _size(components: Components, settings: GenerateSettings) -> tuple[int, int]:
    """Gives the size of the picture that the settings draw; raises what `resolve_settings` raises."""
    source = read_source(settings)
    resolved = resolve_settings(components, settings, source)
    if source and source.mask and resolved.inpaint_area == "only masked":
        return source.image.size
    return hires_size(components, resolved) if resolved.hires else (resolved.width or 0, resolved.height or 0)


def sheet(cells: Sequence[Cell], axes: Sequence[Axis]) -> Image.Image:
    """Gives the sheet: a table with x across and y down, one table below the other for each z."""
    cells = sorted(cells, key=lambda cell: cell.place)
    columns = len(axes[0].labels)
    rows = len(axes[1].labels) if len(axes) > 1 else 1
    tables = [cells[start : start + columns * rows] for start in range(0, len(cells), columns * rows)]
    drawn = [_table(table, axes, columns, rows) for table in tables]
    font = ImageFont.load_default(15)
    titles = [f"{axes[2].name}: {table[0].labels[2]}" if len(axes) > 2 else "" for table in tables]
    title = _LINE + 2 * _GAP if len(axes) > 2 else 0
    width = max(*(each.width for each in drawn), *(round(font.getlength(text)) + 2 * _GAP for text in titles))
    whole = Image.new("RGB", (width, sum(each.height + title for each in drawn)), _PAPER)
    top = 0
    for text, picture in zip(titles, drawn, strict=True):
        ImageDraw.Draw(whole).text((_GAP, top + _GAP), text, font=font, fill=_INK)
        whole.paste(picture, (0, top + title))
        top += picture.height + title
    share = math.sqrt(MOST_PIXELS / (whole.width * whole.height))  # of models with larger pictures than the sheet's own
    return whole if share >= 1 else whole.resize((int(whole.width * share), int(whole.height * share)))


def save_sheet(cells: Sequence[Cell], axes: Sequence[Axis], folder: Path, *, is_noted: bool = False) -> Path:
    """Writes the sheet as `grid-<next number>.png` with its `sheet_infotext`, as `write_numbered`; gives its path."""
    notes = PngInfo()
    notes.add_text("parameters", sheet_infotext(cells, axes))
    content = encode(sheet(cells, axes), pnginfo=notes)
    return write_numbered(folder, lambda number: f"grid-{number:04d}.png", _NUMBERED, content, is_noted=is_noted)


def sheet_infotext(cells: Sequence[Cell], axes: Sequence[Axis]) -> str:
    """Gives the first picture's parameters, and as A1111 writes them the axes and their values.

    `TI hashes` names the embeddings of all pictures: whoever is on the sheet is in its text, as in each picture's.
    """
    texts = [cell.image.infotext for cell in sorted(cells, key=lambda cell: cell.place)]
    hashes = [written_fields(text).get("TI hashes", "") for text in texts]
    everybody = ", ".join(dict.fromkeys(pair for said in hashes for pair in said.split(", ") if pair))
    is_plot = all(axis.name in AXES for axis in axes)
    fields = {"TI hashes": everybody} if everybody else {}
    fields["Script"] = "X/Y/Z plot" if is_plot else "Prompt matrix"
    for letter, axis in zip("XYZ", axes, strict=False):
        if axis.name in AXES:  # those of a matrix have no name in A1111
            fields[f"{letter} Type"] = axis.name
        if axis.name != "Nothing":
            fields[f"{letter} Values"] = _values(axis)
    text = texts[0]
    if hashes[0]:
        before, _, after = text.rpartition(f", TI hashes: {_quoted(hashes[0])}")
        text = before + after
    version = f", Version: {written_fields(text).get('Version', '')}"  # which comes last
    end = version if text.endswith(version) else ""
    return ", ".join([text.removesuffix(end), *(f"{key}: {_quoted(said)}" for key, said in fields.items())]) + end


def is_sheet(file: Path) -> bool:
    """Says whether a picture has the name that `save_sheet` gives."""
    return _NUMBERED.match(file.name) is not None


def _values(axis: Axis) -> str:
    """Gives the axis' values as one writes them: of files their names, of an order its words."""
    if axis.name == "Prompt order":
        return axis.labels[0]
    is_of_files = axis.name in ("Checkpoint name", "VAE", "Embedding checkpoint")
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(Path(each).name if is_of_files else each for each in axis.labels)
    return line.getvalue()


def _quoted(said: str) -> str:
    """Gives a field's value as `format_infotext` writes it: a JSON string where a plain one could not be read back."""
    return json.dumps(said, ensure_ascii=False) if re.search("[,\n:]", said) else said


def _table(cells: Sequence[Cell], axes: Sequence[Axis], columns: int, rows: int) -> Image.Image:
    font = ImageFont.load_default(15)
    width = max(cell.image.image.width for cell in cells)
    height = max(cell.image.image.height for cell in cells)
    side = round(max((font.getlength(label) for label in axes[1].labels), default=0)) if len(axes) > 1 else 0
    left = min(max(side, round(font.getlength(axes[1].name)) if side else 0) + 2 * _GAP, 260) if side else _GAP
    heads = [_lines(label, width, font) for label in axes[0].labels]
    top = _LINE * (1 + max(len(lines) for lines in heads)) + 2 * _GAP
    across = max(columns * (width + _GAP), round(font.getlength(axes[0].name)) + _GAP)
    picture = Image.new("RGB", (left + across, top + rows * (height + _GAP)), _PAPER)
    brush = ImageDraw.Draw(picture)
    brush.text((left, _GAP), axes[0].name, font=font, fill=_FAINT)
    if side:
        brush.text((_GAP, _GAP), axes[1].name, font=font, fill=_FAINT)
    for column, lines in enumerate(heads):
        for number, line in enumerate(lines):
            brush.text((left + column * (width + _GAP), _GAP + _LINE * (1 + number)), line, font=font, fill=_INK)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        place = (left + column * (width + _GAP), top + row * (height + _GAP))
        picture.paste(cell.image.image, place)
        if side and column == 0:
            for at, line in enumerate(_lines(cell.labels[1], left - 2 * _GAP, font)):
                brush.text((_GAP, place[1] + _LINE * at), line, font=font, fill=_INK)
    return picture


def _lines(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Gives the text in up to three lines that fit into `width` pixels; where it is longer, the end of it."""
    lines: list[str] = []
    rest = text.rpartition("/")[2]
    while rest and len(lines) < 3:
        length = len(rest)
        while length > 1 and font.getlength(rest[:length]) > width:
            length -= 1
        lines.append(rest[:length])
        rest = rest[length:].lstrip()
    return lines or [""]


def _all(axes: Sequence[Axis]) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Gives labels and places of every cell, x fastest."""
    for backwards in itertools.product(*(range(len(axis.labels)) for axis in reversed(axes))):
        places = backwards[::-1]
        yield tuple(axis.labels[place] for axis, place in zip(axes, places, strict=True)), places


def _changed(state: State, axes: Sequence[Axis], places: Sequence[int]) -> State:
    for axis, place in sorted(zip(axes, places, strict=True), key=lambda pair: pair[0].rank):
        state = axis.changes[place](state)
    return state
