"""Prompt matrix: `a hat|red|old` is drawn with and without each of the parts after the first.

Knows nothing of the other marks than where a `|` belongs to them.
"""

from retrato.errors import PromptError

MOST_PARTS = 8
"""Parts after the first, which all combinations of make 256 prompts."""


def prompt_matrix(prompt: str) -> list[str]:
    """Gives the prompts of a matrix in A1111's order: the first part alone, with the second, with the third, with both.

    A `|` inside of `[...]` or `{...}`, or after a backslash, is no separator (A1111 splits there too). Raises
    PromptError for more than `MOST_PARTS` optional parts.
    """
    first, *optional = matrix_parts(prompt)
    prompts = []
    for number in range(2 ** len(optional)):
        chosen = [part for place, part in enumerate(optional) if number >> place & 1]
        prompts.append(", ".join([first, *chosen]))
    return prompts


def matrix_parts(prompt: str) -> list[str]:
    """Gives the first part and the optional ones of a matrix, without the commas and spaces around these.

    Raises PromptError for more than `MOST_PARTS` optional parts.
    """
    first, *others = _parts(prompt)
    if len(others) > MOST_PARTS:
        raise PromptError(
            f"the matrix has {len(others)} parts after the first, which would be {2 ** len(others)} prompts: "
            f"{MOST_PARTS} at most, take some out"
        )
    return [first.strip(), *(part.strip().strip(",").strip() for part in others)]


def _parts(prompt: str) -> list[str]:
    parts, start, depth, at = [], 0, 0, 0
    while at < len(prompt):
        mark = prompt[at]
        if mark == "\\":
            at += 1
        elif mark in "[{":
            depth += 1
        elif mark in "]}":
            depth = max(0, depth - 1)
        elif mark == "|" and not depth:
            parts.append(prompt[start:at])
            start = at + 1
        at += 1
    return [*parts, prompt[start:]]
