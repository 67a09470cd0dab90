"""Says what in a prompt may not be what was meant, each with its place. Raises nothing and changes nothing.

Costs time in proportion to the length of the prompt.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate

from retrato.prompts.editing import Rules, edit_tokens, find_edits, switch_step
from retrato.prompts.grammar import pieces, read_number
from retrato.prompts.tags import Tag, extract_tags

_LIKE_A_WEIGHT = re.compile(r":\s*[+-]?\d[\d.,eE+-]{0,30}\s{0,9}\)")
_AND = re.compile(r"\bAND\b")
_WORD = re.compile(r"[\w.-]+")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, order=True)
class PromptWarning:
    """One sentence about what begins after `position` characters of the prompt."""

    position: int
    message: str

    def __str__(self) -> str:
        return f"character {self.position + 1}: {self.message}"


def check_prompt(
    prompt: str,
    *,
    steps: int = 20,
    hires_steps: int | None = None,
    rules: Rules = "1.6",
    emphasis: str = "Original",
    is_negative: bool = False,
    embeddings: Collection[str] = (),
    networks: Mapping[str, Collection[str]] | None = None,
) -> list[PromptWarning]:
    """Gives what may surprise in a prompt that is drawn in `steps` steps, in the order of the places.

    With `hires_steps` it is drawn in a second pass of that many steps, alone or too.
    `embeddings` are the names that can be drawn, `networks` those of each kind of tag (`hypernet`, `lora`) that is
    known. `is_negative` says that it is a negative prompt, where tags and AND mean nothing.
    """
    tags = [] if is_negative else extract_tags(prompt)[1]
    found = [*_in_edits(prompt, steps, rules, hires_steps), *_in_names(_without(tags, prompt), embeddings)]
    if emphasis != "None":
        found += _in_attention(prompt)
    found += _in_negative(prompt) if is_negative else [*_in_tags(tags, networks or {}), *_in_ands(prompt)]
    return sorted(set(found))


def _in_attention(prompt: str) -> Iterator[PromptWarning]:
    open_brackets: dict[str, list[int]] = {"(": [], "[": []}
    for position, kind, text in pieces(prompt):
        if kind in open_brackets:
            open_brackets[kind].append(position)
        elif kind in (")", "]"):
            if not open_brackets["(" if kind == ")" else "["]:
                yield PromptWarning(position, f"this {kind} closes nothing: it is text")
            else:
                open_brackets["(" if kind == ")" else "["].pop()
        elif kind == "weight" and open_brackets["("]:
            open_brackets["("].pop()
            if read_number(text[1:-1]) is None:
                yield PromptWarning(position, f"{text[1:-1].strip()[:30]} is no number: it is text, and the weight 1.1")
        elif kind == "escaped" and not text and position + 1 < len(prompt):
            yield PromptWarning(position, r"this backslash vanishes: write \\ for a backslash")
        elif text == ":" and open_brackets["("] and (like := _LIKE_A_WEIGHT.match(prompt, position)):
            shown = like[0][1:-1].strip()
            yield PromptWarning(position, f"{shown} is no weight: write a number with a dot, such as 1.5")
    for kind, positions in open_brackets.items():
        for position in positions:
            effect = "weighs more" if kind == "(" else "weighs less"
            yield PromptWarning(position, f"this {kind} is never closed: everything after it {effect}")


def _in_edits(prompt: str, steps: int, rules: Rules, hires_steps: int | None) -> Iterator[PromptWarning]:
    tokens = edit_tokens(prompt)
    if tokens is None:
        if "[" in prompt:
            yield PromptWarning(0, "a backslash at the end of the prompt or of a line makes all of it plain text")
        return
    places = [0, *accumulate(len(token) for token in tokens)]
    edits = find_edits(tokens, spaced=rules == "1.6")
    stack: list[tuple[int, int]] = []  # (token of the bracket, colons seen directly in it)
    for number, token in enumerate(tokens):
        if token in "([":
            stack.append((number, 0))
        elif token == ":" and stack:
            stack[-1] = (stack[-1][0], stack[-1][1] + 1)
        elif token in ")]" and stack:
            start, colons = stack.pop()
            if token == "]" and tokens[start] == "[" and colons and edits is not None and start not in edits:
                yield PromptWarning(places[start], "this is text, no change on the way: write [from:to:when]")
        elif token == "|" and not stack and edits is None and "[" in tokens:
            yield PromptWarning(places[number], r"a | outside of brackets makes the whole prompt plain text: write \|")
    first_pass = steps if hires_steps and rules == "1.6" else 0
    last_pass = hires_steps if hires_steps and rules == "1.6" else steps
    for start, edit in (edits or {}).items():
        if edit.when is not None and switch_step(edit.when, last_pass, rules, first_pass) >= last_pass:
            when, last = edit.when.strip(), first_pass + last_pass
            if edit.options[0][0] == edit.options[0][1] and "." in when:  # `[dog:1.2]`, where (dog:1.2) was meant
                message = f"this never appears, as {when} is beyond {last} steps: a weight is written (word:{when})"
            else:
                message = f"this never changes: {when} is beyond {last} steps"
            yield PromptWarning(places[start], message)


def _without(tags: Sequence[Tag], prompt: str) -> str:
    """Gives the prompt with spaces in the places of its tags, whose names are no embeddings'."""
    kept, done = [], 0
    for tag in tags:
        end = prompt.index(">", tag.position) + 1
        kept += [prompt[done : tag.position], " " * (end - tag.position)]
        done = end
    return "".join([*kept, prompt[done:]])


def _in_tags(tags: Sequence[Tag], networks: Mapping[str, Collection[str]]) -> Iterator[PromptWarning]:
    for tag in tags:
        name = tag.positional[0] if tag.positional else ""
        if tag.kind not in networks:
            known = " and ".join(f"<{kind}:...>" for kind in networks) or "none yet"
            yield PromptWarning(
                tag.position, f"<{tag.kind}:{name}> does nothing: retrato knows no such tags (it knows {known})"
            )
        elif name.casefold() not in {known.casefold() for known in networks[tag.kind]}:
            near = get_close_matches(name[:_LONGEST_NAME], networks[tag.kind], n=3)
            advice = f"did you mean {' or '.join(near)}?" if near else "look into the library"
            yield PromptWarning(tag.position, f"<{tag.kind}:{name}> does nothing, there is none of that name: {advice}")


def _in_ands(prompt: str) -> Iterator[PromptWarning]:
    depth, done = 0, 0
    for found in _AND.finditer(prompt):
        for position in range(done, found.start()):
            if prompt[position] in "([" and prompt[position - 1 : position] != "\\":
                depth += 1
            elif prompt[position] in ")]" and prompt[position - 1 : position] != "\\":
                depth = max(0, depth - 1)
        done = found.end()
        if depth:
            yield PromptWarning(found.start(), "AND splits the prompt inside of a bracket, which breaks it apart")


def _in_negative(prompt: str) -> Iterator[PromptWarning]:
    for found in _AND.finditer(prompt):
        yield PromptWarning(found.start(), "AND is a word like any other in the negative prompt")
    for tag in extract_tags(prompt)[1]:
        yield PromptWarning(tag.position, f"<{tag.kind}:...> is text in the negative prompt: tags go into the prompt")


def _in_names(prompt: str, embeddings: Collection[str]) -> Iterator[PromptWarning]:
    """Finds words that are nearly an embedding's name; each word is looked at once."""
    names = {name.casefold(): name for name in embeddings if " " not in name}
    seen: set[str] = set()
    for found in _WORD.finditer(prompt):
        word = found[0].casefold().strip(".-")
        if word in names or word in seen or not 4 <= len(word) <= _LONGEST_NAME:
            continue
        seen.add(word)
        start = max((name for name in names if word.startswith(name)), key=len, default="")
        if start and start[-1].isdigit() and word[len(start)].isdigit():
            rest = word[len(start) :]
            yield PromptWarning(found.start(), f"{found[0]} is read as {names[start]} followed by {rest}")
        elif not start and (near := get_close_matches(word, names, n=1, cutoff=0.85)):
            yield PromptWarning(found.start(), f"{found[0]} is no embedding: did you mean {names[near[0]]}?")
