"""Chunks of tokens: a prompt of any length as pieces that a text encoder takes one by one.

An embedding's name becomes a slot of as many places as the embedding has vectors. Start, end and padding tokens are
added by whoever encodes. Knows neither the vectors nor the tokenizer, only a function from text to ids.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from retrato.errors import PromptError
from retrato.prompts.grammar import parse_attention

SLOT_TOKEN = 0
"""The id that holds the places of a slot; no text encoder sees it."""

Tokenize = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Slot:
    """The places `offset` to `offset + vectors` (exclusive) of a chunk, which the embedding `name` fills."""

    offset: int
    name: str
    vectors: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """At most `chunk_length` tokens with one weight each; `slots` are in order and do not overlap."""

    token_ids: tuple[int, ...]
    weights: tuple[float, ...]
    slots: tuple[Slot, ...] = ()


@dataclass(slots=True)
class _Names:
    """The embeddings' names as token sequences; the first of two equal ones wins."""

    names: dict[tuple[int, ...], str] = field(default_factory=dict)
    lengths: dict[int, list[int]] = field(default_factory=dict)
    """By first token: the lengths of the names that start with it, longest first."""
    marked: re.Pattern[str] | None = None
    """Finds names that end in no letter or digit, such as `ana (1)`, where something follows at once."""

    @classmethod
    def tokenized(cls, names: Iterable[str], tokenize: Tokenize) -> "_Names":
        found = cls()
        for name in names:
            ids = tuple(tokenize(name))
            if ids:
                found.names.setdefault(ids, name)
        for ids in sorted(found.names, key=len, reverse=True):
            lengths = found.lengths.setdefault(ids[0], [])
            if not lengths or lengths[-1] != len(ids):
                lengths.append(len(ids))
        marked = [re.escape(name) for name in found.names.values() if not name[-1].isalnum()]
        if marked:
            longest_first = "|".join(sorted(marked, key=len, reverse=True))
            found.marked = re.compile(rf"(?<![^\W_])(?:{longest_first})(?=\S)", re.IGNORECASE)
        return found

    def apart(self, text: str) -> str:
        """Gives `text` with a space after names that end in a mark: CLIP joins it to a comma, and the name is lost."""
        return self.marked.sub(r"\g<0> ", text) if self.marked else text

    def at(self, ids: Sequence[int], position: int) -> tuple[str, int] | None:
        """Gives the longest name that starts at `position`, and how many tokens of text it takes."""
        for length in self.lengths.get(ids[position], ()):
            name = self.names.get(tuple(ids[position : position + length]))
            if name is not None:
                return name, length
        return None


@dataclass(slots=True)
class _Writer:
    """The chunk being filled and those that are full."""

    chunk_length: int
    comma_backtrack: int
    done: list[Chunk] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    last_comma: int | None = None

    def close(self) -> None:
        self.done.append(Chunk(tuple(self.ids), tuple(self.weights), tuple(self.slots)))
        self.ids, self.weights, self.slots, self.last_comma = [], [], [], None

    def make_room(self, *, comma: bool) -> None:
        """Closes a full chunk before the next token. What follows a comma near its end moves on with that token."""
        if comma:
            self.last_comma = len(self.ids)
        if len(self.ids) < self.chunk_length:
            return
        if comma or self.last_comma is None or len(self.ids) - self.last_comma > self.comma_backtrack:
            self.close()
            return
        cut = self.last_comma + 1
        moved_ids, moved_weights = self.ids[cut:], self.weights[cut:]
        moved_slots = [Slot(slot.offset - cut, slot.name, slot.vectors) for slot in self.slots if slot.offset >= cut]
        self.slots = [slot for slot in self.slots if slot.offset < cut]
        del self.ids[cut:], self.weights[cut:]
        self.close()
        self.ids, self.weights, self.slots = moved_ids, moved_weights, moved_slots

    def add(self, ids: Sequence[int], weight: float) -> None:
        self.ids += ids
        self.weights += [weight] * len(ids)

    def add_slot(self, name: str, vectors: int, weight: float) -> None:
        if vectors > self.chunk_length:
            raise PromptError(
                f"the embedding {name} has {vectors} vectors and a chunk of the prompt holds {self.chunk_length}: "
                "leave its name out, or use one with fewer vectors"
            )
        if len(self.ids) + vectors > self.chunk_length:
            self.close()
        self.slots.append(Slot(len(self.ids), name, vectors))
        self.add([SLOT_TOKEN] * vectors, weight)


def chunk_tokens(
    text: str,
    tokenize: Tokenize,
    *,
    comma_token: int | None,
    embeddings: Mapping[str, int],
    chunk_length: int = 75,
    comma_backtrack: int = 20,
    emphasis: str = "Original",
) -> list[Chunk]:
    """Gives the chunks of one text (a text of a schedule, not a prompt with edits); at least one, which may be empty.

    `tokenize` gives ids without start and end tokens, `embeddings` the number of vectors of each name. Where several
    names match, the one with most tokens wins; names match as token sequences, within one run of equal weight.
    `comma_backtrack` is how many tokens back a comma may lie for the rest to move to the next chunk; 0 switches that
    off. With emphasis "None" brackets and BREAK are words like any other.
    Raises PromptError for what the attention grammar refuses, or for an embedding of more vectors than a chunk holds.
    """
    names = _Names.tokenized(embeddings, tokenize)
    writer = _Writer(chunk_length, comma_backtrack)
    for run, weight in [(text, 1.0)] if emphasis == "None" else parse_attention(text):
        if (run, weight) == ("BREAK", -1.0) and emphasis != "None":
            writer.close()
            continue
        ids = tokenize(names.apart(run))
        position = 0
        while position < len(ids):
            writer.make_room(comma=ids[position] == comma_token)
            match = names.at(ids, position)
            if match is None:
                writer.add(ids[position : position + 1], weight)
                position += 1
            else:
                name, length = match
                writer.add_slot(name, embeddings[name], weight)
                position += length
    if writer.ids or not writer.done:
        writer.close()
    return writer.done


def prefix_clashes(names: Iterable[str], tokenize: Tokenize) -> list[tuple[str, str]]:
    """Gives the pairs (a, b) of names where the tokens of `a` are the start of those of `b`, or the same.

    For CLIP `t1` and `t12` are such a pair (digits are tokens of their own), and so are `Benny` and `benny`: of a
    pair with equal tokens only the first can ever be meant.
    """
    by_tokens: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        by_tokens.setdefault(tuple(tokenize(name)), []).append(name)
    by_tokens.pop((), None)
    clashes: list[tuple[str, str]] = []
    for ids, same in by_tokens.items():
        clashes += [(same[0], other) for other in same[1:]]
        shorter = (by_tokens.get(ids[:length]) for length in range(1, len(ids)))
        clashes += [(start, name) for starts in shorter if starts for start in starts for name in same]
    return clashes
