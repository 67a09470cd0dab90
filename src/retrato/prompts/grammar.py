r"""Attention: which words of a prompt weigh more or less.

| prompt                 | reading                                     |
|------------------------|---------------------------------------------|
| `a (red) hat`          | `red` weighs 1.1                            |
| `a ((red)) hat`        | `red` weighs 1.1 * 1.1                      |
| `a [red] hat`          | `red` weighs 1 / 1.1                        |
| `a (red:1.5) hat`      | `red` weighs 1.5                            |
| `a \(red\) hat`        | the brackets are text                       |
| `a hat BREAK a shoe`   | the shoe starts a new chunk of tokens       |
| `a (red`               | open to the end: `red` weighs 1.1           |
| `a red)`               | the bracket is text                         |
| `a (red:1.5.5) hat`    | no number: `red:1.5.5` weighs 1.1           |

Knows nothing of steps, tokens or models. Reading costs time in proportion to the length of the prompt.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrato.errors import PromptError

MAX_NESTING = 100
"""Brackets that may be open at once. It keeps reading linear: no word is weighed more often than this."""

_ROUND = 1.1
_SQUARE = 1 / 1.1
_ESCAPABLE = frozenset("()[]\\")
_MARKS = _ESCAPABLE | {":"}
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(slots=True)
class _Fragment:
    """A run of text on its way to its final weight; a break takes no weight."""

    text: str
    weight: float = 1.0
    is_break: bool = False


def parse_attention(prompt: str) -> list[tuple[str, float]]:
    """Gives the prompt's runs of text with their weights, `("BREAK", -1.0)` between the parts that BREAK separates.

    Neighbours of equal weight are one run; an empty prompt is `[("", 1.0)]`. The language is AUTOMATIC1111's, with
    two differences: a number that cannot be read is text, and BREAK is a break inside brackets too.
    Raises PromptError when more than `MAX_NESTING` brackets are open at once, or a weight is too large for a float.
    """
    fragments: list[_Fragment] = []
    round_starts: list[int] = []
    square_starts: list[int] = []
    for position, kind, text in pieces(prompt):
        if kind in ("(", "["):
            if len(round_starts) + len(square_starts) == MAX_NESTING:
                raise PromptError(
                    f"the bracket at character {position + 1} of the prompt is inside {MAX_NESTING} open brackets, "
                    f"the most there may be: close some before it, or write it as \\{kind} if it is text"
                )
            (round_starts if kind == "(" else square_starts).append(len(fragments))
        elif kind == ")" and round_starts:
            _scale(fragments, round_starts.pop(), _ROUND)
        elif kind == "]" and square_starts:
            _scale(fragments, square_starts.pop(), _SQUARE)
        elif kind == "weight" and round_starts:
            weight = read_number(text[1:-1])
            if weight is None:
                fragments.append(_Fragment(text[:-1]))
            _scale(fragments, round_starts.pop(), _ROUND if weight is None else weight)
        elif kind == "escaped":
            fragments.append(_Fragment(text))
        else:
            fragments += _split_at_breaks(text)
    for start in round_starts:
        _scale(fragments, start, _ROUND)
    for start in square_starts:
        _scale(fragments, start, _SQUARE)
    return _merged(fragments)


def pieces(prompt: str) -> Iterator[tuple[int, str, str]]:
    """Yields (position, kind, text); kind is a bracket, `escaped`, `weight` (a `:1.5)`) or `text`."""
    at = 0
    while at < len(prompt):
        start, mark = at, prompt[at]
        at += 1
        if mark == "\\":
            # Before anything but a bracket or itself the backslash vanishes, and what follows is read as usual.
            literal = at < len(prompt) and prompt[at] in _ESCAPABLE
            yield start, "escaped", prompt[at] if literal else ""
            at += literal
        elif mark == ":":
            end = _weight_end(prompt, at)
            at = end or at
            yield start, "weight" if end else "text", prompt[start:at]
        elif mark in _MARKS:
            yield start, mark, mark
        else:
            while at < len(prompt) and prompt[at] not in _MARKS:
                at += 1
            yield start, "text", prompt[start:at]


def _weight_end(prompt: str, at: int) -> int | None:
    """Gives where a weight (spaces, sign, digits and dots, spaces, closing bracket) that begins at `at` ends.

    None if there is none. It never looks past the next colon, so all these looks together are linear.
    """
    at = _skip_spaces(prompt, at)
    if at < len(prompt) and prompt[at] in "+-":
        at += 1
    digits = at
    while at < len(prompt) and (prompt[at] == "." or prompt[at].isdecimal()):
        at += 1
    if at == digits:
        return None
    at = _skip_spaces(prompt, at)
    return at + 1 if at < len(prompt) and prompt[at] == ")" else None


def _skip_spaces(prompt: str, at: int) -> int:
    while at < len(prompt) and prompt[at].isspace():
        at += 1
    return at


def read_number(text: str) -> float | None:
    """Gives the finite number that `text` is, or None: `1.2.3` and four hundred nines are text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _split_at_breaks(text: str) -> list[_Fragment]:
    """Gives the text as fragments; white space around a BREAK belongs to it."""
    first, *others = _BREAK.split(text)
    fragments = [_Fragment(first)]
    for other in others:
        fragments[-1].text = fragments[-1].text.rstrip()
        fragments += [_Fragment("BREAK", -1.0, is_break=True), _Fragment(other.lstrip())]
    return fragments


def _scale(fragments: list[_Fragment], start: int, factor: float) -> None:
    """Multiplies the weights from fragment `start` on: in this order, because equal weights are compared exactly."""
    for fragment in fragments[start:]:
        if not fragment.is_break:
            fragment.weight *= factor


def _merged(fragments: list[_Fragment]) -> list[tuple[str, float]]:
    """Gives the fragments as pairs, with neighbours of equal weight joined."""
    runs: list[tuple[list[str], _Fragment]] = []
    for fragment in fragments:
        if not math.isfinite(fragment.weight):
            raise PromptError(
                f"the weight of {fragment.text[:40]!r} is too large for a number: use smaller weights or fewer brackets"
            )
        last = runs[-1][1] if runs else None
        if last is None or last.is_break or fragment.is_break or last.weight != fragment.weight:
            runs.append(([fragment.text], fragment))
        else:
            runs[-1][0].append(fragment.text)
    return [("".join(texts), run.weight) for texts, run in runs] or [("", 1.0)]
