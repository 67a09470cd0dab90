"""What may surprise in the prompts of a run, in sentences for people."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from retrato.embeddings.embedding import CLIP_SKIP, READ_AT, Embedding, clip_skip_in, mentioned
from retrato.model.components import Components
from retrato.model.text import tokenizer_of
from retrato.prompts import check_prompt, prefix_clashes
from retrato.settings import GenerateSettings

MOST_SENTENCES = 20


def check_prompts(
    variants: Iterable[GenerateSettings],
    embeddings: Mapping[str, Embedding],
    networks: Mapping[str, Collection[str]] | None = None,
    heeds_clip_skip: bool = True,
) -> list[str]:
    """Gives one sentence, with the place, for each thing that may surprise; each once, `MOST_SENTENCES` at most.

    `networks` are as in `retrato.prompts.check_prompt`; a model that heeds no clip skip draws as it learned.
    """
    sentences: dict[str, None] = {}
    for settings in variants:
        sentences |= dict.fromkeys(_of_clip_skip(settings, embeddings) if heeds_clip_skip else ())
        for name, prompt, hires_steps in _prompts(settings):
            warnings = check_prompt(
                prompt,
                steps=settings.steps,
                hires_steps=hires_steps,
                rules=settings.schedule_rules,
                emphasis=settings.emphasis,
                is_negative="negative" in name,
                embeddings=embeddings,
                networks=networks,
            )
            sentences |= dict.fromkeys(f"{name}, {warning}" for warning in warnings)
            if len(sentences) > MOST_SENTENCES:
                left_out = f"and more in the {name}"
                return [*list(sentences)[:MOST_SENTENCES], left_out]
    return list(sentences)


def _prompts(settings: GenerateSettings) -> Iterator[tuple[str, str, int | None]]:
    """Yields the name of each prompt, what it says, and the steps of the second pass where it is drawn in that."""
    hires_steps = (settings.hires_steps or settings.steps) if settings.hires else None
    pairs = (
        ("prompt", settings.prompt, settings.hires_prompt),
        ("negative prompt", settings.negative_prompt, settings.hires_negative_prompt),
    )
    for name, prompt, second in pairs:
        yield name, prompt, None if second else hires_steps
        if second:
            yield f"hires {name}", second, hires_steps


def _of_clip_skip(settings: GenerateSettings, embeddings: Mapping[str, Embedding]) -> list[str]:
    """Gives a sentence for each person in a prompt who was learned with one clip skip and is drawn with another."""
    said = {name: each.metadata for name, each in embeddings.items() if {CLIP_SKIP, READ_AT} & each.metadata.keys()}
    learned = {name: clip_skip_in(metadata) for name, metadata in said.items()}  # of others' files nobody knows
    return [
        f"{name} was learned with clip skip {learned[name]} and is drawn with {settings.clip_skip}: "
        f"take --clip-skip {learned[name]}"
        for name in mentioned(f"{settings.prompt}\n{settings.hires_prompt or ''}", learned)
        if learned[name] != settings.clip_skip
    ]


def name_warnings(components: Components, names: Iterable[str]) -> list[str]:
    """Gives a sentence for each pair of names that the model's tokens cannot keep apart: one begins like the other."""
    return [
        f"{short} is how {long} begins: write {long} in full, or rename one of them"
        for short, long in prefix_clashes(names, tokenizer_of(components))
    ]
