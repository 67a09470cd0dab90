"""What one request becomes: matrix, styles and wildcards worked out. Knows no model."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import product

from retrato.errors import SettingsError
from retrato.generation.axes import Axis, matrix_axes
from retrato.generation.resolve import part_of, seeded
from retrato.prompts import (
    StyleFile,
    WildcardFolder,
    all_words,
    apply_styles,
    matrix_parts,
    prompt_matrix,
    without_comments,
    word_chooser,
)
from retrato.settings import GenerateSettings

MOST_PICTURES = 1000
_FIRST, _SECOND = ("prompt", "negative_prompt"), ("hires_prompt", "hires_negative_prompt")  # of the passes


def vary(settings: GenerateSettings, *, styles: StyleFile, wildcards: WildcardFolder) -> list[GenerateSettings]:
    """Gives settings with nothing left to work out, in the order of drawing; only one where nothing had to be.

    First the matrix makes several prompts, then the styles are joined to each, then comments go, then wildcards are
    chosen: one for each image by its own seed (`random`), or each in all ways with the same seeds (`all`; by the seed
    still in a second pass's own prompts). The seeds are fixed, and what is left of braces is text, so that `vary` gives
    each of these settings back as they are. Raises PromptError for unknown styles or lists, SettingsError for more than
    `MOST_PICTURES` pictures.
    """
    pairs = [(settings.prompt, settings.negative_prompt)]
    if settings.matrix == "prompt":
        pairs = [(each, settings.negative_prompt) for each in prompt_matrix(settings.prompt)]
    elif settings.matrix == "negative":
        pairs = [(settings.prompt, each) for each in prompt_matrix(settings.negative_prompt)]
    chosen = styles.find(settings.styles)
    pairs = [apply_styles(chosen, *pair) for pair in pairs]
    said = without_comments if settings.prompt_comments else str
    pairs = [(said(each), said(other)) for each, other in pairs]
    if settings.wildcards == "all":
        pairs = _in_all_ways(pairs, settings.count, wildcards)
    _require_few(len(pairs), settings.count)
    base = seeded(settings).changed(styles=(), matrix="off", wildcards="off", prompt_comments=False)
    styled = apply_styles(chosen, base.hires_prompt or "", base.hires_negative_prompt or "")
    base = base.changed(**{name: said(text) for name, text in zip(_SECOND, styled, strict=True) if getattr(base, name)})
    several = [base.changed(prompt=each, negative_prompt=other) for each, other in pairs]
    by_seed = {"random": (*_FIRST, *_SECOND), "all": _SECOND, "off": ()}[settings.wildcards]
    names = [name for name in by_seed if name in _FIRST or getattr(base, name)]
    return [each for variant in several for each in _chosen(variant, wildcards, names)] if names else several


def after(variants: Iterable[GenerateSettings], done: int) -> list[GenerateSettings]:
    """Gives what is left of the settings that `vary` gave once the first `done` pictures are drawn; maybe nothing."""
    left = []
    for variant in variants:
        if done < variant.count:
            left.append(part_of(variant, done, variant.count - done) if done else variant)
        done = max(0, done - variant.count)
    return left


def vary_sheet(
    settings: GenerateSettings, axes: Sequence[Axis] = (), *, styles: StyleFile, wildcards: WildcardFolder
) -> tuple[GenerateSettings, Sequence[Axis]]:
    """Gives what `draw_grid` takes: a prompt matrix becomes axes before the others; its pictures are those of `vary`.

    Raises what `vary` does, and SettingsError for a prompt without a part to leave out.
    """
    if settings.matrix == "off":
        return settings, axes
    _, *optional = matrix_parts(settings.prompt if settings.matrix == "prompt" else settings.negative_prompt)
    if not optional:
        raise SettingsError(f"the matrix of the {settings.matrix} has no part to leave out: write it as a hat|red|old")
    variants = vary(settings.changed(count=1), styles=styles, wildcards=wildcards)
    if len(variants) != 2 ** len(optional):
        raise SettingsError("a sheet shows one matrix: leave out --wildcards all")
    return variants[0], [*matrix_axes(variants, optional), *axes]


def with_styles(
    settings: GenerateSettings, mode: str, *, styles: StyleFile, wildcards: WildcardFolder
) -> GenerateSettings:
    """Gives the settings of a sheet's cell with the styles that an axis names joined to its prompts, as in A1111 last.

    `mode` is what becomes of the wildcards in them. Raises what `vary` does, and SettingsError for several prompts.
    """
    if not settings.styles:
        return settings
    own, *more = vary(settings.changed(wildcards=mode), styles=styles, wildcards=wildcards)
    if more:
        raise SettingsError("a cell of a sheet has one prompt: leave out --wildcards all")
    return own


def _require_few(prompts: int, count: int) -> None:
    if prompts * count > MOST_PICTURES:
        raise SettingsError(f"{prompts} prompts with {count} images each are more than {MOST_PICTURES}: ask for less")


def _in_all_ways(pairs: Iterable[tuple[str, str]], count: int, wildcards: WildcardFolder) -> list[tuple[str, str]]:
    """Gives the pairs with their wildcards in all ways; raises before the first pair with which they are too many."""
    ways = cache(partial(all_words, folder=wildcards, limit=MOST_PICTURES))
    found: list[tuple[str, str]] = []
    for prompt, negative in pairs:
        both = ways(prompt), ways(negative)
        _require_few(len(found) + len(both[0]) * len(both[1]), count)
        found += product(*both)
    return found


def _chosen(settings: GenerateSettings, wildcards: WildcardFolder, names: Sequence[str]) -> Iterator[GenerateSettings]:
    """Yields `settings` for each run of images that got the same words in the prompts of those `names`."""
    runs: list[tuple[tuple[str, ...], int, int]] = []
    choosers = [word_chooser(getattr(settings, name), wildcards) for name in names]
    for index in range(settings.count):
        words = tuple(choose(settings.seed + index, index) for choose in choosers)
        if runs and runs[-1][0] == words:
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((words, index, 1))
    for words, first, count in runs:
        yield part_of(settings, first, count).changed(**dict(zip(names, words, strict=True)))
