r"""Prompts that change on the way: which text holds at which sampling step, and which texts are drawn together.

| prompt                | reading                                                       |
|-----------------------|---------------------------------------------------------------|
| `[cat:dog:0.5]`       | `cat` for the first half of the steps, then `dog`             |
| `[cat:dog:8]`         | `cat` up to step 8, then `dog`                                |
| `a [red:0.3] hat`     | `red` appears after 30 % of the steps                         |
| `a [red::0.3] hat`    | `red` vanishes after 30 % of the steps                        |
| `[cat\|dog]`          | `cat`, `dog`, `cat`, `dog`, ... step by step                  |
| `a cat AND a dog :0.5`| two prompts, the second one with half the weight              |

The language is AUTOMATIC1111's: the same prompts are accepted, and one it cannot read as edits is the same text at
every step. Knows nothing of attention, tokens or models. Reading costs time in proportion to the length of the prompt.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from retrato.errors import SettingsError

Rules = Literal["1.6", "2022"]

_MARKS = frozenset("[]():|")
_CLOSES = {"(": ")", "[": "]"}
_WHEN = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")

Span = tuple[int, int]
"""First token and the one after the last."""


@dataclass(slots=True)
class _Bracket:
    """A bracket that is still open, and what has been seen directly in it; all numbers are token indexes."""

    start: int
    kind: str
    colons: list[int] = field(default_factory=list)
    bars: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Edit:
    """A closed `[...]` that changes: `when` is what a switch from option 0 to 1 says; None is an alternation."""

    options: tuple[Span, ...]
    end: int
    when: str | None = None


def prompt_schedule(
    prompt: str, steps: int, *, rules: Rules = "1.6", hires_steps: int | None = None
) -> list[tuple[int, str]]:
    """Gives (end step, text) pairs in order; a text holds up to its end step inclusive, the last one up to `steps`.

    Steps count from 1. With `hires_steps` the schedule is that of the second pass of that many steps: switches are
    counted from the start of the first pass, so 1.5 is the middle of the second.

    `rules` says how a number is meant. "1.6": with a dot it is a share of the steps, without one a step. "2022": below
    1 a share, otherwise a step; ends below 1 stay in the list, no space may follow the number, an alternative shows
    only up to its first bracket, and `hires_steps` is not looked at, all as in the web UI of October 2022.
    Raises SettingsError for steps below 1 or unknown rules.
    """
    if steps < 1 or (hires_steps is not None and hires_steps < 1):
        raise SettingsError(f"steps is {steps} and hires_steps {hires_steps}: a schedule needs at least 1 step")
    if rules not in ("1.6", "2022"):
        raise SettingsError(f"schedule_rules is {rules!r}: it is '1.6' or '2022'")
    first_pass = steps if hires_steps is not None and rules == "1.6" else 0
    steps = hires_steps if hires_steps is not None and rules == "1.6" else steps
    tokens = edit_tokens(prompt)
    edits = None if tokens is None else find_edits(tokens, spaced=rules == "1.6")
    if tokens is None or edits is None:
        return [(steps, prompt)]

    switches = {
        start: switch_step(edit.when, steps, rules, first_pass)
        for start, edit in edits.items()
        if edit.when is not None
    }
    ends = {steps} | {step for step in switches.values() if step >= 1 or rules == "2022"}
    if len(switches) < len(edits):
        ends.update(range(1, steps + 1))
    return [(end, _text_at(end, tokens, edits, switches, rules)) for end in sorted(ends)]


def split_and(prompt: str) -> list[tuple[str, float]]:
    """Gives the prompts between the words AND, in order, each with its weight.

    A weight is a number after a colon at the end of a part, 1.0 if there is none. It is looked for only if there is
    an AND: `a clock at 12:30` is a text. White space at the end of a part goes, that at its start stays.
    """
    parts = _AND.split(prompt)
    if len(parts) == 1:
        return [(prompt.rstrip(), 1.0)]
    return [_text_and_weight(part) for part in parts]


def _text_and_weight(part: str) -> tuple[str, float]:
    text, colon, number = part.rpartition(":")
    number = number.strip()
    if colon and _WEIGHT.fullmatch(number) and math.isfinite(float(number)):
        return text.rstrip(), float(number)
    return part.rstrip(), 1.0


def edit_tokens(prompt: str) -> list[str] | None:
    """Gives the prompt cut into single marks and runs of other text, escapes left in; None if an escape is broken."""
    tokens: list[str] = []
    at = 0
    while at < len(prompt):
        start = at
        while at < len(prompt) and prompt[at] not in _MARKS:
            if prompt[at] == "\\":
                at += 1
                if at == len(prompt) or prompt[at] == "\n":
                    return None
            at += 1
        if at > start:
            tokens.append(prompt[start:at])
        if at < len(prompt):
            tokens.append(prompt[at])
            at += 1
    return tokens


def find_edits(tokens: list[str], *, spaced: bool) -> dict[int, _Edit] | None:
    """Gives the edits by the index of their opening bracket; None if a `|` stands outside of an alternation.

    A bracket counts only if everything in it is in order. So one that is not (`[a:b]`, `(a:b:c)`, `[a (b]`) makes
    itself and every bracket around it plain text; edits that were already closed inside it stay edits.
    """
    edits: dict[int, _Edit] = {}
    open_brackets: list[_Bracket] = []
    for index, token in enumerate(tokens):
        if token in _CLOSES:
            open_brackets.append(_Bracket(index, token))
        elif token == "|" and not open_brackets:
            return None
        elif token in (":", "|") and open_brackets:
            (open_brackets[-1].bars if token == "|" else open_brackets[-1].colons).append(index)
        elif token in (")", "]") and open_brackets:
            bracket = open_brackets[-1]
            edit = _edit(tokens, bracket, index, spaced=spaced)
            if edit is not None:
                edits[bracket.start] = edit
            if edit is not None or _only_emphasises(bracket, token):
                open_brackets.pop()
            elif any(bracket.bars for bracket in open_brackets):
                return None
            else:
                open_brackets.clear()
    return None if any(bracket.bars for bracket in open_brackets) else edits


def _only_emphasises(bracket: _Bracket, closing: str) -> bool:
    """Says whether this is attention, `(a)`, `(a:1.2)` or `[a]`, which is text as far as steps are concerned."""
    most_colons = 1 if bracket.kind == "(" else 0
    return closing == _CLOSES[bracket.kind] and not bracket.bars and len(bracket.colons) <= most_colons


def _edit(tokens: list[str], bracket: _Bracket, close: int, *, spaced: bool) -> _Edit | None:
    """Gives the edit that `bracket` is when the token `close` closes it, or None if it is none."""
    if bracket.kind != "[" or tokens[close] != "]":
        return None
    first = bracket.start + 1
    if bracket.bars and not bracket.colons:
        starts = [first, *(bar + 1 for bar in bracket.bars)]
        return _Edit(tuple(zip(starts, [*bracket.bars, close], strict=True)), close + 1)
    if bracket.bars or not 1 <= len(bracket.colons) <= 2 or close - bracket.colons[-1] != 2:
        return None
    when = tokens[close - 1].strip() if spaced else tokens[close - 1].lstrip()
    if not _WHEN.fullmatch(when):
        return None
    if len(bracket.colons) == 1:
        return _Edit(((first, first), (first, bracket.colons[0])), close + 1, when)
    return _Edit(((first, bracket.colons[0]), (bracket.colons[0] + 1, bracket.colons[1])), close + 1, when)


def switch_step(when: str, steps: int, rules: Rules, first_pass: int) -> int:
    """Gives the last step of the text before a switch; below 1 means that it never shows."""
    value = float(when)
    if rules == "2022":
        value = value * steps if value < 1 else value
    elif "." in when:
        value = (value - (1.0 if first_pass else 0.0)) * steps
    else:
        value -= first_pass
    if math.isinf(value):
        return steps if value > 0 else 0
    return min(steps, int(value))


def _text_at(step: int, tokens: list[str], edits: dict[int, _Edit], switches: dict[int, int], rules: Rules) -> str:
    """Gives the text of one step. Works with a list of spans still to do, so depth costs no recursion."""
    texts: list[str] = []
    to_do = [(0, len(tokens))]
    while to_do:
        at, end = to_do.pop()
        while at < end:
            edit = edits.get(at)
            if edit is None:
                texts.append(tokens[at])
                at += 1
                continue
            to_do.append((edit.end, end))
            if edit.when is not None:
                at, end = edit.options[0 if step <= switches[at] else 1]
            else:
                at, end = edit.options[(step - 1) % len(edit.options)]
                if rules == "2022" and at < end:
                    end = edits[at].end if at in edits else at + 1
    return "".join(texts)
