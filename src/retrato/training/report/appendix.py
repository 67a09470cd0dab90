"""The plain part of a report: times, settings, versions, what the scores mean, how to go on.

Knows the record and the definitions of the settings.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from retrato.files import quoted
from retrato.markup import Html, joined, tag
from retrato.model.load import EMBEDDED
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.training.report.page import counted, paragraph, seconds_in_words, section
from retrato.training.report.record import RunRecord

PACKAGES = ("retrato", "torch", "diffusers", "transformers", "safetensors", "pillow")
EMBEDDED_NAME = "retrato-mini"


def times_and_settings(record: RunRecord) -> Html:
    """Gives the seconds of each phase as bars, every setting with the value that was used, and the versions."""
    longest = max(record.times.values(), default=0.0) or 1.0
    bars = [
        tag(
            "tr",
            tag("th", phase, scope="row"),
            tag("td", tag("span", class_="bar", style=f"width:{100 * seconds / longest:.1f}%"), class_="wide"),
            tag("td", seconds_in_words(seconds), class_="number"),
        )
        for phase, seconds in record.times.items()
    ]
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", value, class_="value"), tag("td", description))
        for name, value, description in used_settings(record)
    ]
    return section(
        "Times, settings, versions",
        tag("div", tag("table", *bars, class_="times"), class_="scrolls"),
        tag(
            "details",
            tag("summary", f"All {len(rows)} settings of the training"),
            tag("div", tag("table", *rows, class_="settings"), class_="scrolls"),
        ),
        tag("details", tag("summary", "Model and versions"), tag("dl", *_versions(record), class_="versions")),
    )


def used_settings(record: RunRecord) -> list[tuple[str, str, str]]:
    """Gives (name, value, description) of every setting; where it was left open, the value that the recipe gave."""
    rows = []
    kind = HypernetworkSettings if record.is_hypernetwork else TrainSettings
    for name, field in kind.model_fields.items():
        value = record.settings.get(name)
        if value is None:
            value = _from_plan(name, record.plan)
        rows.append((name.replace("_", " "), _shown(value), field.description or ""))
    return rows


def _from_plan(name: str, plan: Mapping[str, Any]) -> Any:
    if name == "learning_rate":
        rates = ", ".join(f"{rate:g}:{end}" for rate, end in plan["rates"])
        return f"{rates} (in mean lengths of the vocabulary's vectors)" if plan["rate_is_relative"] else rates
    if name == "template":
        return " | ".join(plan["templates"])
    return plan.get(name)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _versions(record: RunRecord) -> list[Html]:
    model = record.model
    facts = [
        ("model", f"{model['name']} (weights {model['hash']})"),
        ("device", f"{model['device']}, {model['dtype']}"),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processor cores"),
        ("Python", platform.python_version()),
        *((package, found) for package in PACKAGES if (found := package_version(package))),
    ]
    return [tag("div", tag("dt", term), tag("dd", value)) for term, value in facts]


def package_version(package: str) -> str | None:
    """Gives the version of an installed package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def about_scores(record: RunRecord) -> Html:
    """Gives what the scores mean and what they do not, in plain words."""
    photos = f"the {counted(record.held_out, 'held-out photo')}" if record.held_out else "the photos"
    loss = (
        "Loss",
        f"How far the frozen model is from removing noise from {photos} when the prompt names the person. Lower is "
        "better, but it says little about likeness: most of it comes from background and noise.",
    )
    if not record.is_scored:
        none = (
            "No scorer",
            "This model brings none, so nobody looked at the pictures: the candidate was picked by loss alone. "
            "Look at them yourself before you trust it.",
        )
        return section("What the figures mean", _terms([none, loss]))
    terms = [
        (
            "Likeness",
            f"How near the pictures are to {photos}, as a small vision model sees it. 0 is what the class word alone "
            "gives in the same prompts and seeds, 1 is how alike the real photos are to each other. It can fall below "
            "0 and rise above 1.",
        ),
        (
            "Prompt fidelity",
            "Whether the pictures still show what else the prompt asks for. 0 is a picture drawn for some other "
            "prompt, 1 is what the class word gives.",
        ),
        (
            "Together",
            "The harmonic mean of the two, each cut to 0 to 1: high only when both are. Picked is the earliest "
            "candidate that cannot be told from the best by it, nor by likeness alone.",
        ),
        loss,
        (
            "What they are not",
            "An independent verdict. The scores come from the scorer that did the picking, so the winner's are a "
            f"little flattering; they stand on {record.picked.scores['pictures']:.0f} pictures of one person; and an "
            "early loser was drawn fewer times, so its figures are rougher. Your own eyes have the last word.",
        ),
    ]
    return section("What the scores mean", _terms(terms))


def _terms(terms: Sequence[tuple[str, str]]) -> Html:
    return tag("dl", *(tag("div", tag("dt", term), tag("dd", text)) for term, text in terms), class_="terms")


def how_to_go_on(record: RunRecord, prompts: Sequence[str]) -> Html:
    """Gives the exact commands to draw more, to learn somebody else, and to use the file in other programs."""
    model = record.model["name"]
    flag, folder = ("", str(EMBEDDED)) if model == EMBEDDED_NAME else (" --model MODEL", "MODEL")
    skip = f" --clip-skip {said}" if (said := record.settings.get("clip_skip", 1)) > 1 else ""
    draw = "\n".join(f"retrato generate {quoted(prompt)} --count 4{skip}{flag}" for prompt in prompts)
    where = f"MODEL is the one it was learned on, {model}." if flag else ""
    return section(
        "How to go on",
        paragraph(f"Draw more. {_how_it_works(record)} {where}".strip()),
        _code(draw),
        paragraph(
            "Learn somebody else: about twenty photos of one person, three of all of them, five half, twelve close."
        ),
        _code(f"retrato check my-photos\nretrato train my-photos --name ana-t1{flag}"),
        *(_hypernetwork_elsewhere(record) if record.is_hypernetwork else _embedding_elsewhere(record, folder)),
    )


def _how_it_works(record: RunRecord) -> str:
    if record.is_hypernetwork:
        return "The tag switches the hypernetwork on, and the number is its strength: try 0.7 where it does too much."
    return "The name works anywhere in a prompt, also mixed with another word."


_IN_DIFFUSERS = """\
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained({folder!r})
pipe.load_textual_inversion({file!r}, token={name!r})
pipe({prompt!r}).images[0]"""
_IN_DIFFUSERS_XL = """\
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

pipe = StableDiffusionXLPipeline.from_pretrained({folder!r})
vectors = load_file({file!r})
first = {{"text_encoder": pipe.text_encoder, "tokenizer": pipe.tokenizer}}
second = {{"text_encoder": pipe.text_encoder_2, "tokenizer": pipe.tokenizer_2}}
pipe.load_textual_inversion(vectors["clip_l"], token={name!r}, **first)
pipe.load_textual_inversion(vectors["clip_g"], token={name!r}, **second)
pipe({prompt!r}).images[0]"""


def _embedding_elsewhere(record: RunRecord, folder: str) -> list[Html]:
    is_xl = record.numbers > record.vectors * record.dim  # vectors for two text encoders
    python = (_IN_DIFFUSERS_XL if is_xl else _IN_DIFFUSERS).format(
        folder=folder, file=str(record.file), name=record.name, prompt=f"a portrait of {record.name}"
    )
    elsewhere = (
        f"The embedding speaks to the model it was learned on, {record.model['name']}, and to its descendants; another "
        "model would not understand it. Learned on a Stable Diffusion 1.5 checkpoint, the file goes into the "
        "embeddings folder of AUTOMATIC1111's web UI, Forge or ComfyUI as it is, and its name is the word to write."
    )
    return [
        paragraph(elsewhere),
        _code(f"retrato embeddings show {quoted(str(record.file))}"),
        paragraph("In diffusers:"),
        _code(python),
    ]


def _hypernetwork_elsewhere(record: RunRecord) -> list[Html]:
    elsewhere = (
        f"The hypernetwork belongs to the model it was learned on, {record.model['name']}, and to its descendants. For "
        "AUTOMATIC1111's web UI write it as .pt, and put that into models/hypernetworks."
    )
    file = quoted(str(record.file))
    return [paragraph(elsewhere), _code(f"retrato hypernetworks convert {file} {quoted(f'{record.name}.pt')}")]


def _code(text: str) -> Html:
    return tag("pre", tag("code", text), tabindex="0")


def signature(record: RunRecord) -> str:
    """Gives the last line of a page: what made it."""
    made_by = package_version("retrato")
    return joined([f"retrato {made_by}" if made_by else "retrato", record.model["name"], str(record.folder)], " · ")
