"""What a run learns, as a small value: where it starts, how it enters the frozen model, how it is saved.

Loop, data, evaluation, stopping and picking know no more than this. There are two of them: an embedding, which enters
at the text encoder, and a hypernetwork, which enters at the U-Net's attention.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from retrato.embeddings import Embedding, EmbeddingLibrary, read_embedding, write_embedding
from retrato.embeddings.embedding import in_prompt
from retrato.errors import EmbeddingError, HypernetworkError
from retrato.generation import hypernet_tag
from retrato.hypernetworks import Hypernetwork, HypernetworkLibrary, Structure, read_hypernetwork, write_hypernetwork
from retrato.hypernetworks.hypernetwork import MOST_SIZES, WIDEST, lengths
from retrato.hypernetworks.structure import Networks, initial_parameters, parse_numbers
from retrato.model import Components, Conditioning, encode, initial_vectors, token_chunks
from retrato.model.attention import attention_widths, with_networks
from retrato.settings import HypernetworkSettings, LearnSettings, TrainSettings
from retrato.training.captions import class_phrase
from retrato.training.optimizer import Parameters
from retrato.training.randomness import generator
from retrato.training.recipes import HYPERNETWORK_RECIPES, RECIPES, Plan, resolve

Artefact = Embedding | Hypernetwork


class Encode(Protocol):
    """How texts become a conditioning while what is learned is in the model."""

    def __call__(self, texts: Sequence[str], beside: Sequence[str] = ()) -> Conditioning:
        """Gives the conditioning of `texts`, padded as if they were encoded together with `beside`."""


@dataclass(frozen=True, slots=True)
class Learnable:
    """What is learned; `parameters` below are tensors like those of `start`, one for one.

    start       the parameters before the first step, float32 on the CPU
    units       per tensor, what relative rates and norm caps are multiples of (an embedding: the vocabulary's norm)
    subject     what stands for [name] in the texts that are trained on
    entered     (parameters, step) -> while open, they are in the model, and the value given back encodes texts;
                gradients flow to them. `step` is what drop-out is drawn for, None where there is to be none;
                `crowd` does the same for many embeddings at once
    artefact    (parameters, step, facts) -> what can be kept
    lengths     (parameters) -> a few figures that say how far they are from nothing
    """

    start: Parameters
    units: tuple[float, ...]
    subject: str
    entered: Callable[[Parameters, int | None], AbstractContextManager[Encode]]
    artefact: Callable[[Parameters, int, Mapping[str, str]], Artefact]
    lengths: Callable[[Parameters], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Subject:
    """How somebody is asked for in a prompt, and what has to be at hand to draw them."""

    words: str
    tag: str = ""
    embeddings: Mapping[str, Embedding] = field(default_factory=dict)
    hypernetworks: Mapping[str, Hypernetwork] = field(default_factory=dict)

    def prompt(self, template: str) -> str:
        """Gives `template` with the subject in place of [name]."""
        return template.replace("[name]", self.words) + self.tag


def learnable_of(components: Components, settings: LearnSettings, plan: Plan) -> Learnable:
    """Gives what `settings` ask to learn; raises HypernetworkError for networks that cannot be built."""
    if isinstance(settings, HypernetworkSettings):
        return _hypernetwork(components, settings, plan)
    assert isinstance(settings, TrainSettings)
    return _embedding(components, settings, plan)


def untrained(components: Components, settings: LearnSettings) -> Artefact:
    """Gives what a run with `settings` starts from, at step 0, as A1111's "create" does."""
    recipes = HYPERNETWORK_RECIPES if isinstance(settings, HypernetworkSettings) else RECIPES
    learnable = learnable_of(components, settings, resolve(settings, recipes[settings.recipe], photo_count=1))
    return learnable.artefact(learnable.start, 0, {"initializer_text": settings.initializer_text})


def check_structure(settings: LearnSettings) -> None:
    """Raises HypernetworkError for networks that can be built for no model."""
    if isinstance(settings, HypernetworkSettings):
        _structure(settings)
        _said_sizes(settings)


def subject_of(artefact: Artefact, class_word: str) -> Subject:
    """Gives how `artefact` is drawn: an embedding by its name, a hypernetwork by its class word and its tag."""
    if isinstance(artefact, Hypernetwork):
        words = class_phrase(artefact.metadata.get("initializer_text", ""), class_word)
        return Subject(words, hypernet_tag(artefact.name), hypernetworks={artefact.name: artefact})
    return Subject(in_prompt(artefact.name), embeddings={artefact.name: artefact})


def read_artefact(file: Path, kind: type[LearnSettings], name: str) -> Artefact:
    """Gives what was learned with settings of `kind` and written to `file`, under `name`: candidates' files add a step.

    The longest of names would be none with a step after it.
    """
    return read_hypernetwork(file, name) if issubclass(kind, HypernetworkSettings) else read_embedding(file, name)


def write_artefact(artefact: Artefact, file: Path) -> Path:
    """Writes `artefact` as safetensors and gives `file` back."""
    if isinstance(artefact, Hypernetwork):
        return write_hypernetwork(artefact, file)
    return write_embedding(artefact, file)


def is_same(one: Artefact, other: Artefact) -> bool:
    """Says whether two hold the very same numbers."""
    mine, others = _numbers(one), _numbers(other)
    return len(mine) == len(others) and all(torch.equal(a, b) for a, b in zip(mine, others, strict=True))


def find_artefact(
    name_or_file: str | Path, embeddings: EmbeddingLibrary, hypernetworks: HypernetworkLibrary
) -> Artefact:
    """Gives what lies in that file, else the embedding, else the hypernetwork of that name.

    Raises EmbeddingError for something unknown or a file that is neither, HypernetworkError for a broken hypernetwork.
    """
    path = Path(name_or_file)
    if path.is_file():
        try:
            return read_embedding(path)
        except EmbeddingError as error:
            try:
                return read_hypernetwork(path)
            except HypernetworkError:
                raise error from None
    name = str(name_or_file)
    return hypernetworks[name] if name not in embeddings and name in hypernetworks else embeddings[name]


def _numbers(learned: Artefact) -> Parameters:
    return learned.vectors if isinstance(learned, Embedding) else learned.parameters


def vocabulary_norms(components: Components) -> tuple[float, ...]:
    """Gives the mean norm of the token embeddings per text encoder: the unit of relative rates and norm caps."""
    tables = (encoder.get_input_embeddings().weight for encoder in components.text_encoders)
    return tuple(float(table.detach().float().norm(dim=1).mean()) for table in tables)


def _embedding(components: Components, settings: TrainSettings, plan: Plan) -> Learnable:
    name, norms = settings.name, vocabulary_norms(components)

    @contextlib.contextmanager
    def entered(vectors: Parameters, step: int | None) -> Iterator[Encode]:
        yield _encoder(components, {name: vectors}, plan.clip_skip)

    def artefact(vectors: Parameters, step: int, facts: Mapping[str, str]) -> Embedding:
        return Embedding(name, vectors, step, components.name, components.hash, facts)

    return Learnable(
        start=initial_vectors(components, settings.initializer_text, settings.vectors_per_token),
        units=norms,
        subject=name,
        entered=entered,
        artefact=artefact,
        lengths=lambda vectors: tuple(float(norm) for each in vectors for norm in each.norm(dim=1)),
    )


def _encoder(components: Components, vectors: Mapping[str, Parameters], clip_skip: int) -> Encode:
    taken = {name: len(own[0]) for name, own in vectors.items()}

    def encode_texts(texts: Sequence[str], beside: Sequence[str] = ()) -> Conditioning:
        chunks = {text: token_chunks(components, text, taken) for text in dict.fromkeys((*texts, *beside))}
        least = max(map(len, chunks.values()))
        return encode(components, [chunks[text] for text in texts], vectors, clip_skip=clip_skip, least=least)

    return encode_texts


def _hypernetwork(components: Components, settings: HypernetworkSettings, plan: Plan) -> Learnable:
    structure = _structure(settings)
    sizes = _sizes(components, settings)
    start = initial_parameters(structure, sizes, settings.weight_init, generator(plan.seed, "start"))

    plain_encode = torch.no_grad()(_encoder(components, {}, plan.clip_skip))

    @contextlib.contextmanager
    def entered(parameters: Parameters, step: int | None) -> Iterator[Encode]:
        dropout = None if step is None else generator(plan.seed, "drop-out", step)
        with with_networks(components.unet, [(Networks(structure, sizes, parameters), 1.0)], dropout):
            yield plain_encode

    def artefact(parameters: Parameters, step: int, facts: Mapping[str, str]) -> Hypernetwork:
        return Hypernetwork(
            settings.name,
            sizes,
            structure,
            parameters,
            step,
            settings.weight_init,
            components.name,
            components.hash,
            facts,
        )

    def all_lengths(parameters: Parameters) -> tuple[float, ...]:
        networks = Networks(structure, sizes, parameters)
        return tuple(length for size in sizes for length in lengths(networks, size))

    return Learnable(
        start=start,
        units=(1.0,) * len(start),
        subject=class_phrase(settings.initializer_text, components.defaults.class_word),
        entered=entered,
        artefact=artefact,
        lengths=all_lengths,
    )


def _structure(settings: HypernetworkSettings) -> Structure:
    """Gives the layers that are asked for; raises HypernetworkError for such as there cannot be."""
    return Structure(
        parse_numbers(settings.layer_structure, "the layer structure"),
        settings.activation.lower(),
        layer_norm=settings.layer_norm,
        activate_output=settings.activate_output,
        dropout=parse_numbers(settings.dropout, "the drop-out") if settings.dropout else (),
    )


def _said_sizes(settings: HypernetworkSettings) -> tuple[int, ...]:
    """Gives the widths that are asked for, none where that is left to the model; raises HypernetworkError."""
    if settings.sizes is None:
        return ()
    sizes = parse_numbers(settings.sizes, "sizes")
    are_widths = all(size.is_integer() and 1 <= size <= WIDEST for size in sizes)
    if not are_widths or len(sizes) > MOST_SIZES or len(set(sizes)) < len(sizes):
        raise HypernetworkError(
            f"sizes is {settings.sizes[:60]!r}: write 1 to {MOST_SIZES} different whole numbers, none above {WIDEST}, "
            "with commas between, such as 320, 640"
        )
    return tuple(int(size) for size in sizes)


def _sizes(components: Components, settings: HypernetworkSettings) -> tuple[int, ...]:
    """Gives the widths to learn for, by default all of the model's; raises HypernetworkError for one it lacks."""
    widths = attention_widths(components.unet)
    sizes = _said_sizes(settings) or widths
    if missing := [size for size in sizes if size not in widths]:
        raise HypernetworkError(
            f"sizes name {missing[0]}, but the attention of {components.name} is {', '.join(map(str, widths))} wide: "
            "choose among these"
        )
    return sizes
