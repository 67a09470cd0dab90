"""The tables of docs/prompts.md say what the functions give."""

import re
from pathlib import Path

import pytest

from retrato.prompts import (
    WildcardFolder,
    all_words,
    check_prompt,
    extract_tags,
    parse_attention,
    prompt_matrix,
    prompt_schedule,
    split_and,
)

PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text("utf-8")
STEPS = 10


def weights(prompt: str) -> str:
    runs = parse_attention(prompt)
    return " · ".join("new chunk" if run == ("BREAK", -1.0) else f"`{run[0]}` {run[1]:.3g}" for run in runs)


def steps(prompt: str) -> str:
    schedule = prompt_schedule(prompt, STEPS)
    starts = [1, *(end + 1 for end, _ in schedule)]
    cells = [
        f"{start}-{end} `{text}`" if start < end else f"{end} `{text}`"
        for start, (end, text) in zip(starts, schedule, strict=False)
    ]
    return " · ".join(cells if len(cells) < STEPS else [*cells[:4], "..."])


def parts(prompt: str) -> str:
    return " · ".join(f"`{text}` {weight:.3g}" for text, weight in split_and(prompt))


def tags(prompt: str) -> str:
    text, found = extract_tags(prompt)
    cells = [f"`{text}`"]
    for tag in found:
        arguments = [*tag.positional, *(f"{key} = {value}" for key, value in tag.named.items())]
        cells.append(f"{tag.kind}: {', '.join(arguments)}")
    return " · ".join(cells)


def possibilities(prompt: str) -> str:
    return " · ".join(f"`{text}`" for text in all_words(prompt, WildcardFolder("absent"), limit=10))


def matrix(prompt: str) -> str:
    return " · ".join(f"`{text}`" for text in prompt_matrix(prompt))


def warnings(prompt: str) -> str:
    return " · ".join(str(each) for each in check_prompt(prompt, steps=STEPS, embeddings=["realbenny-t2"]))


SECTIONS = {
    "Weights": weights,
    "Prompts that change during drawing": steps,
    "Several prompts at once": parts,
    "Tags": tags,
    "Parts that are chosen": possibilities,
    "Prompt matrix": matrix,
    "Warnings about a prompt": warnings,
}


def rows() -> list[tuple[str, str, str]]:
    found = []
    for section in PAGE.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title in SECTIONS:
            table = re.findall(r"^\| `(.+?)` \| (.+) \|$", body.replace("\\|", "¦"), flags=re.MULTILINE)
            found += [(title, prompt.replace("¦", "|"), reading.replace("¦", "|")) for prompt, reading in table]
    return found


def test_each_section_has_its_table() -> None:
    assert {title for title, _, _ in rows()} == set(SECTIONS)


@pytest.mark.parametrize(("title", "prompt", "reading"), rows())
def test_row(title: str, prompt: str, reading: str) -> None:
    assert SECTIONS[title](prompt) == reading
