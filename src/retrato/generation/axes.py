"""The axes of a comparison sheet, by A1111's names: what is written for one, and what each of its values changes.

Knows settings and embeddings; draws nothing.
"""

import csv
import dataclasses
import difflib
import io
import itertools
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from retrato.embeddings import Embedding, read_embedding
from retrato.errors import SettingsError
from retrato.settings import GenerateSettings

MOST_VALUES = 100
_NUMBER = r"\d{1,20}(?:\.\d{0,20})?|\.\d{1,20}"
_RANGE = re.compile(
    rf"([+-]?(?:{_NUMBER}))\s*-\s*([+-]?(?:{_NUMBER}))(?:\s*\(\s*([+-](?:{_NUMBER}))\s*\)|\s*\[\s*(\d{{1,9}})\s*\])?"
)

# What A1111 writes for the VAE that a model brings itself, and for no style.
OWN_VAE = ("automatic", "none")
NO_STYLE = "none"


class State(NamedTuple):
    """What a cell of a sheet is drawn with. `model` and `vae` name others than the sheet's own; empty is its own."""

    settings: GenerateSettings
    embeddings: Mapping[str, Embedding]
    model: str = ""
    vae: str = ""

    def changed(self, **values: Any) -> "State":
        """Gives a copy in which `values` of the settings are replaced."""
        return self._replace(settings=self.settings.changed(**values))


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a sheet: A1111's name, the values as they are shown, and the change that each of them makes."""

    name: str
    labels: tuple[str, ...]
    changes: tuple[Callable[[State], State], ...]
    rank: int = 0


def parse_axis(text: str) -> Axis:
    """Gives the axis written as `Name=values`, such as `Seed=1-4` or `Sampler=Euler a,LMS`.

    Values stand between commas (quoted where they hold one); numbers may be ranges as in A1111: `1-5`, `1-9 (+2)`,
    `0-1 [5]` for five of them, cut to whole ones where the setting takes no others; a seed of -1, or none, is drawn
    here. Raises SettingsError for an unknown axis, and for values that are none.
    """
    name, equals, written = text.partition("=")
    found = {each.casefold(): each for each in AXES}
    wanted = name.strip().casefold()
    if not equals or wanted not in found:
        near = [found[each] for each in difflib.get_close_matches(wanted[:100], found, n=3, cutoff=0.4)] or list(AXES)
        raise SettingsError(f"axis is {text[:60]!r}: write Name=values, with a name such as {', '.join(near)}")
    kind = AXES[found[wanted]]
    try:
        rows = list(csv.reader(io.StringIO(written.strip()), skipinitialspace=True))
    except csv.Error as error:
        raise SettingsError(
            f"axis {found[wanted]} cannot be read ({error}): write values with commas between"
        ) from None
    values = [value.strip() for row in rows for value in row]
    if not any(values):
        raise SettingsError(f"axis {found[wanted]} has no values: write {found[wanted]}=this,that")
    if kind.is_seed:
        values = [value or "-1" for value in values]
    if kind.numbers:
        values = [number for value in values for number in _numbers(found[wanted], kind.numbers, value)]
    if kind.is_seed:  # drawn once, so that cells of one value share it
        values = [str(secrets.randbelow(2**32 - 1)) if value == "-1" else value for value in values]
    changes = kind.changes(found[wanted], values)
    if len(changes) > MOST_VALUES:
        raise SettingsError(
            f"axis {found[wanted]} has more than {MOST_VALUES} values: at most {MOST_VALUES} fit on a sheet"
        )
    return Axis(found[wanted], tuple(kind.labels(values)), tuple(changes), kind.rank)


def matrix_axes(variants: Sequence[GenerateSettings], optional: Sequence[str]) -> list[Axis]:
    """Gives the axes of a prompt matrix: the first half of its `optional` parts across, the others down.

    `variants` are the settings of its prompts in the order of `prompt_matrix`; the sheet is drawn from the first.
    """
    across = (len(optional) + 1) // 2
    numbers = {_prompts(variants[number]): number for number in reversed(range(2**across))}

    def change(added: int, state: State) -> State:
        prompt, negative = _prompts(variants[numbers.get(_prompts(state.settings), 0) | added])
        return state.changed(prompt=prompt, negative_prompt=negative)

    axes = []
    for name, parts, shift in (("with", optional[:across], 0), ("and with", optional[across:], across)):
        combinations = range(2 ** len(parts)) if parts else ()
        chosen = [[part for place, part in enumerate(parts) if number >> place & 1] for number in combinations]
        labels = tuple(", ".join(each) or "nothing" for each in chosen)
        axes.append(Axis(name, labels, tuple(partial(change, number << shift) for number in combinations)))
    return [axis for axis in axes if axis.labels]


def _prompts(settings: GenerateSettings) -> tuple[str, str]:
    return settings.prompt, settings.negative_prompt


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the values of an axis are read; those of higher `rank` are applied later."""

    changes: Callable[[str, Sequence[str]], list[Callable[[State], State]]]
    numbers: type | None = None
    rank: int = 0
    labels: Callable[[Sequence[str]], Sequence[str]] = tuple
    is_seed: bool = False


def _numbers(name: str, kind: type, written: str) -> list[str]:
    """Gives the numbers of a range, or the one number."""
    found = _RANGE.fullmatch(written)
    if not found:
        try:
            float(written)
        except ValueError:
            raise SettingsError(f"axis {name} has the value {written[:40]!r}: write numbers, 1-5 or 0-1 [5]") from None
        return [written]
    start, end = Fraction(found[1]), Fraction(found[2])
    if found[4]:
        count = min(max(1, int(found[4])), MOST_VALUES + 1)
        step = (end - start) / max(1, count - 1)
    else:
        step = Fraction(found[3] or (1 if end >= start else -1))
        if step == 0 or (end - start) / step < 0:
            raise SettingsError(f"axis {name} has the range {written!r}, which does not lead from one end to the other")
        count = min((end - start) // step + 1, MOST_VALUES + 1)
    values = [start + step * number for number in range(count)]
    return [str(int(value)) if kind is int else f"{float(value):.6g}" for value in values]


def _setting(field: str, name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    def change(value: str, state: State) -> State:
        return state.changed(**{field: _typed(field, value)})

    return [partial(change, value) for value in values]


def _typed(field: str, value: str) -> Any:
    """Gives the value as the field wants it where text would not do."""
    if value.casefold() in ("true", "false") and GenerateSettings.model_fields[field].annotation is bool:
        return value.casefold() == "true"
    return value


def _size(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    def change(value: str, state: State) -> State:
        found = re.fullmatch(r"(\d{1,5})\s*[xX×]\s*(\d{1,5})", value)
        if not found:
            raise SettingsError(f"axis Size has the value {value[:40]!r}: write width and height, such as 512x768")
        return state.changed(width=int(found[1]), height=int(found[2]))

    return [partial(change, value) for value in values]


def _search_replace(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    def change(value: str, state: State) -> State:
        settings = state.settings
        if not values[0]:
            raise SettingsError(
                f"axis {name} looks for nothing: write the words to replace first, then what takes their place"
            )
        if values[0] not in settings.prompt and values[0] not in settings.negative_prompt:
            raise SettingsError(f"axis {name} looks for {values[0][:60]!r}, which is in neither prompt")
        prompts = (text.replace(values[0], value) for text in (settings.prompt, settings.negative_prompt))
        prompt, negative = prompts
        return state.changed(prompt=prompt, negative_prompt=negative)

    return [partial(change, value) for value in values]


def _order(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    if len(values) > 4:
        raise SettingsError(f"axis {name} has {len(values)} words to put into all orders: at most 4, which makes 24")

    def change(words: Sequence[str], state: State) -> State:
        prompt = state.settings.prompt
        places = sorted((prompt.find(word), word) for word in values)
        if places[0][0] < 0:
            raise SettingsError(f"axis {name} looks for {places[0][1][:60]!r}, which is not in the prompt")
        result, behind = "", 0
        for (place, old), new in zip(places, words, strict=True):
            result, behind = result + prompt[behind:place] + new, place + len(old)
        return state.changed(prompt=result + prompt[behind:])

    return [partial(change, words) for words in itertools.permutations(values)]


def _checkpoint(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    def change(file: Path, state: State) -> State:
        embedding = read_embedding(file)
        word = re.sub(r"-\d+[a-z]*$", "", file.stem)
        prompt = state.settings.prompt.casefold()
        names = [each for each in (embedding.name, word) if each.casefold() in prompt]
        if not names:
            raise SettingsError(f"axis {name} has {file.name}, but {word} is not in the prompt: write the word in it")
        known = {**state.embeddings, names[0]: dataclasses.replace(embedding, name=names[0])}
        return state._replace(embeddings=known)

    return [partial(change, Path(value).expanduser()) for value in values]


def _names_of_files(values: Sequence[str]) -> Sequence[str]:
    """Gives the files' names, as long as these tell them apart."""
    names = [re.sub(r"\.(safetensors|ckpt|pt|bin|png)$", "", Path(value).name) for value in values]
    return names if len(set(names)) == len(set(values)) else values


def _strength(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    def change(value: str, state: State) -> State:
        scaled = {
            word: dataclasses.replace(each, vectors=tuple(vectors * float(value) for vectors in each.vectors))
            for word, each in state.embeddings.items()
        }
        return state._replace(embeddings=scaled)

    return [partial(change, value) for value in values]


def _styles(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    """Adds styles to those that the settings name; as in A1111 several are one value, quoted: `"one,two"`."""

    def change(value: str, state: State) -> State:
        names = [each.strip() for each in value.split(",")]
        chosen = tuple(each for each in names if each and each.casefold() != NO_STYLE)
        return state.changed(styles=(*state.settings.styles, *chosen))

    return [partial(change, value) for value in values]


def _model(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    if not all(values):
        raise SettingsError(f"axis {name} has an empty value: name a model, such as mini")
    return [partial(lambda value, state: state._replace(model=value), value) for value in values]


def _vae(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    def change(value: str, state: State) -> State:
        return state._replace(vae=OWN_VAE[0] if value.casefold() in ("", *OWN_VAE) else value)

    return [partial(change, value) for value in values]


def _nothing(name: str, values: Sequence[str]) -> list[Callable[[State], State]]:
    return [lambda state: state for _ in values]


# Axes by A1111's names; two are retrato's own: which checkpoint of a training is drawn, and how strongly.
AXES: Mapping[str, _Kind] = {
    "Nothing": _Kind(_nothing),
    "Seed": _Kind(partial(_setting, "seed"), numbers=int, is_seed=True),
    "Var. seed": _Kind(partial(_setting, "variation_seed"), numbers=int, is_seed=True),
    "Var. strength": _Kind(partial(_setting, "variation_strength"), numbers=float),
    "Steps": _Kind(partial(_setting, "steps"), numbers=int),
    "Hires steps": _Kind(partial(_setting, "hires_steps"), numbers=int),
    "CFG Scale": _Kind(partial(_setting, "guidance_scale"), numbers=float),
    "CFG Rescale": _Kind(partial(_setting, "guidance_rescale"), numbers=float),
    "Prompt S/R": _Kind(_search_replace, rank=1),
    "Prompt order": _Kind(_order, rank=1, labels=lambda v: [", ".join(each) for each in itertools.permutations(v)]),
    "Sampler": _Kind(partial(_setting, "sampler")),
    "Hires sampler": _Kind(partial(_setting, "hires_sampler")),
    "Checkpoint name": _Kind(_model, labels=_names_of_files),
    "VAE": _Kind(_vae, labels=_names_of_files),
    "Styles": _Kind(_styles),
    "Schedule type": _Kind(partial(_setting, "schedule")),
    "Clip skip": _Kind(partial(_setting, "clip_skip"), numbers=int),
    "Denoising": _Kind(partial(_setting, "denoising_strength"), numbers=float),
    "Eta": _Kind(partial(_setting, "eta"), numbers=float),
    "Negative Guidance minimum sigma": _Kind(partial(_setting, "guidance_min_sigma"), numbers=float),
    "Hires upscaler": _Kind(partial(_setting, "hires_upscaler")),
    "Size": _Kind(_size),
    "Tiling": _Kind(partial(_setting, "tiling")),
    "Emphasis": _Kind(partial(_setting, "emphasis")),
    "Embedding checkpoint": _Kind(_checkpoint, rank=2, labels=_names_of_files),
    "Vector strength": _Kind(_strength, numbers=float, rank=3),
}
