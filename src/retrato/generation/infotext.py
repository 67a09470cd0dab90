"""The `parameters` text that a picture carries: written and read as AUTOMATIC1111 does.

Three blocks: the prompt; `Negative prompt: ...`; one line of `Key: value, Key: value`. Reading costs time in
proportion to the length and raises nothing, whatever the text. Knows nothing of pictures' files.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from retrato.errors import PromptError
from retrato.prompts import parse_attention
from retrato.settings import GenerateSettings


@dataclass(frozen=True, slots=True)
class InfotextField:
    """What A1111 calls a setting: `fields` of GenerateSettings, two of them for a `WxH`.

    It is written where `when` says so, and one that has its default only if it is `always` written. `words` are values
    that A1111 calls otherwise.
    """

    name: str
    fields: tuple[str, ...]
    always: bool = False
    words: Mapping[object, str] = field(default_factory=dict)
    when: Callable[[GenerateSettings], object] = lambda settings: True

    def written(self, settings: GenerateSettings) -> str | None:
        """Gives the text of `settings`' value, None where nothing is to be written."""
        if not self.when(settings):
            return None
        values = [getattr(settings, name) for name in self.fields]
        defaults = [GenerateSettings.model_fields[name].default for name in self.fields]
        if any(value is None for value in values) or (values == defaults and not self.always):
            return None
        return "x".join(self.words.get(value) or _plain(value) for value in values)

    def read(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Gives the settings that infotext's `fields` say, as texts; empty if they say nothing."""
        pair = [fields[key] for key in (f"{self.name}-1", f"{self.name}-2") if key in fields]
        texts = [fields[self.name]] if self.name in fields else pair if len(pair) == 2 else []
        if texts and len(texts) != len(self.fields):
            texts = ["x".join(texts)] if len(self.fields) == 1 else []
        meant: dict[str, object] = {text: value for value, text in self.words.items()}
        return dict(zip(self.fields, (meant.get(text, text) for text in texts), strict=False))


# The order in which A1111 writes its fields; any other field comes after them, `Version` and `User` last.
FIELD_ORDER = (
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed", "Face restoration", "Size"),
    *("Model hash", "Model", "FP8 weight", "Cache FP16 weight for LoRA", "VAE hash", "VAE", "Variation seed"),
    *("Variation seed strength", "Seed resize from", "Denoising strength", "Conditional mask weight", "Clip skip"),
    *("ENSD", "Token merging ratio", "Token merging ratio hr", "Init image hash", "RNG", "Tiling"),
)
LAST_FIELDS = ("Version", "User")

# What A1111 fills in for fields that are not written.
READ_DEFAULTS: Mapping[str, str] = {
    "Clip skip": "1",
    "Hires resize-1": "0",
    "Hires resize-2": "0",
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": "32",
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": "0",
    "Schedule min sigma": "0",
    "Schedule rho": "0",
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": "False",
}

_NEGATIVE = "Negative prompt:"
_OLD_TIMELINES = "Old prompt editing timelines"
_KEY = re.compile(r"[\w \-/]+")
_SPACE = re.compile(r"\s*")
_QUOTED = re.compile(r'"(?:\\.|[^\\"])++"')
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
_WHOLE = re.compile(r"\d{1,9}")
# Forge writes its own version before A1111's.
_VERSION = re.compile(r"(?:f[\d.]{1,20}(?=v))?v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-?(rc)|-(\d{1,9}))?", re.IGNORECASE)
_ETA_OF_DDIM = ("DDIM", "DDIM CFG++")


def format_infotext(
    settings: GenerateSettings,
    *,
    model: str | None = None,
    model_hash: str | None = None,
    version: str | None = None,
    fields: Mapping[str, object] | None = None,
) -> str:
    """Gives the parameters text of one image; `settings.seed` is the image's own.

    `fields` adds or replaces fields by A1111's names; one that is None is left out.
    """
    said: dict[str, object] = {each.name: text for each in FIELDS if (text := each.written(settings)) is not None}
    if settings.guidance_min_sigma:
        said["NGMS all steps"] = True
    said |= {"Model hash": model_hash, "Model": model, "Version": version, **(fields or {})}
    further = [key for key in said if key not in FIELD_ORDER and key not in LAST_FIELDS]
    order = [key for key in (*FIELD_ORDER, *further, *LAST_FIELDS) if said.get(key) is not None]
    line = ", ".join(key if key == said[key] else f"{key}: {_quote(said[key])}" for key in order)
    negative = f"\n{_NEGATIVE} {settings.negative_prompt}" if settings.negative_prompt else ""
    return f"{settings.prompt}{negative}\n{line}".strip()


def parse_infotext(text: str) -> dict[str, str]:
    """Gives A1111's fields of a parameters text, with its defaults for those not written; all values are strings.

    `NxM` values become `<key>-1` and `<key>-2`. The last line holds the fields only if it has at least three of them;
    else it belongs to the prompt.
    """
    fields = written_fields(text)
    if _uses_emphasis(fields["Prompt"]) or _uses_emphasis(fields["Negative prompt"]):
        fields.setdefault("Emphasis", "Original")
    if "Hypernet" in fields:
        fields["Prompt"] += f"<hypernet:{fields['Hypernet']}:{fields.get('Hypernet strength', '1.0')}>"
    _resolve_old_hires(fields)
    for key, value in READ_DEFAULTS.items():
        fields.setdefault(key, value)
    _mark_old_behaviour(fields)
    return fields


def written_fields(text: str) -> dict[str, str]:
    """Gives what a parameters text says and nothing else; see `parse_infotext`."""
    *lines, last = text.strip().split("\n")
    pairs = _pairs(last)
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    fields = dict(zip(("Prompt", "Negative prompt"), _prompts(lines), strict=True))
    for key, written in pairs:
        if not written:
            continue
        value = _unquote(written)
        size = _SIZE.fullmatch(value)
        fields |= {f"{key}-1": size[1], f"{key}-2": size[2]} if size else {key: value}
    return fields


def version_of(fields: Mapping[str, str]) -> tuple[int, ...] | None:
    """Gives A1111's version that infotext's `fields` name, as numbers to compare; None where they name none."""
    found = _VERSION.match(fields.get("Version", ""))
    if not found:
        return None
    *numbers, candidate, commits = found.groups()
    return (*map(int, numbers), -1 if candidate else int(commits or 0))


def _plain(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _quote(value: object) -> str:
    """A JSON string where the plain one could not be read back."""
    plain = str(value)
    return json.dumps(plain, ensure_ascii=False) if any(mark in plain for mark in ",\n:") else plain


def _unquote(written: str) -> str:
    if len(written) < 2 or written[0] != '"' or written[-1] != '"':
        return written
    try:
        return str(json.loads(written))
    except ValueError:
        return written


def _pairs(line: str) -> list[tuple[str, str]]:
    """Gives the `Key: value` pairs of `line`: values run to the next comma, or are JSON strings up to one.

    A key is two or more letters, digits, spaces, `-` or `/` that end at a colon; what is between pairs is skipped.
    """
    pairs = []
    position = 0
    while run := _KEY.search(line, position):
        position = run.end()
        key = run[0].lstrip(" -/")
        if len(key) < 2 or not line.startswith(":", position):
            continue
        start = _SPACE.match(line, position + 1).end()  # type: ignore[union-attr]
        quoted = _QUOTED.match(line, start)
        end = quoted.end() if quoted else start
        if not quoted or line[end : end + 1] not in (",", ""):
            comma = line.find(",", start)
            end = len(line) if comma < 0 else comma
        pairs.append((key, line[start:end]))
        position = end + 1
    return pairs


def _prompts(lines: Iterable[str]) -> tuple[str, str]:
    prompt: list[str] = []
    negative: list[str] = []
    current = prompt
    for line in map(str.strip, lines):
        if line.startswith(_NEGATIVE):
            current, line = negative, line.removeprefix(_NEGATIVE).strip()
        if current or line:
            current.append(line)
    return "\n".join(prompt), "\n".join(negative)


def _uses_emphasis(prompt: str) -> bool:
    try:
        return any(weight != 1.0 and text != "BREAK" for text, weight in parse_attention(prompt))
    except PromptError:
        return False


def _resolve_old_hires(fields: dict[str, str]) -> None:
    """Before 2023 hires fix wrote the final size, and apart the size of the first pass; 0x0 meant about 512x512."""
    written = [fields.get(f"First pass size-{side}", "") for side in (1, 2)]
    written += [fields.get(f"Size-{side}", "512") for side in (1, 2)]
    if not all(_WHOLE.fullmatch(side) for side in written):
        return
    first, final = tuple(map(int, written[:2])), tuple(map(int, written[2:]))
    if 0 in first and 0 not in final:
        scale = math.sqrt(512 * 512 / (final[0] * final[1]))
        first = math.ceil(scale * final[0] / 64) * 64, math.ceil(scale * final[1] / 64) * 64
    fields["Size-1"], fields["Size-2"] = map(str, first)
    fields["Hires resize-1"], fields["Hires resize-2"] = map(str, final)


def _mark_old_behaviour(fields: dict[str, str]) -> None:
    """Adds the switches with which A1111 draws pictures of its older versions as those did."""
    version = version_of(fields)
    if version is None:
        return
    if version < (1, 6, 0, 0) and "[" in fields["Prompt"]:
        fields["Old prompt editing timelines"] = "True"
    if version < (1, 6, 0, 0) and fields.get("Sampler") in ("DDIM", "PLMS"):
        fields["Pad conds v0"] = "True"
    if version < (1, 7, 0, 225):
        fields["Downcast alphas_cumprod"] = "True"
    if version < (1, 8, 0, 0) and fields.get("Refiner"):
        fields["Refiner switch by sampling steps"] = "True"


def _repaints_a_part(settings: GenerateSettings) -> bool:
    return bool(settings.mask) and settings.inpaint_area == "only masked"


def _capitalized(name: str) -> dict[object, str]:
    """Gives A1111's words for the values of a setting that it writes with a capital."""
    return {value: value.capitalize() for value in get_args(GenerateSettings.model_fields[name].annotation)}


_MASK_MODES: Mapping[object, str] = {False: "Inpaint masked", True: "Inpaint not masked"}

# Add a row, and a setting is written into pictures and read from them: by `recall`, and so by the page and the API.
FIELDS = (
    InfotextField("Steps", ("steps",), always=True),
    InfotextField("Sampler", ("sampler",), always=True),
    InfotextField("Schedule type", ("schedule",), always=True),
    InfotextField("CFG scale", ("guidance_scale",), always=True),
    InfotextField("Seed", ("seed",), always=True),
    InfotextField("Size", ("width", "height"), always=True),
    InfotextField("Clip skip", ("clip_skip",)),
    InfotextField("Emphasis", ("emphasis",)),
    InfotextField(_OLD_TIMELINES, ("schedule_rules",), words={"2022": "True"}, when=lambda of: "[" in of.prompt),
    InfotextField("Eta", ("eta",), when=lambda of: of.sampler not in _ETA_OF_DDIM),
    InfotextField("Eta DDIM", ("eta",), when=lambda of: of.sampler in _ETA_OF_DDIM),
    InfotextField("CFG Rescale", ("guidance_rescale",)),
    InfotextField("NGMS", ("guidance_min_sigma",)),
    InfotextField("Engine", ("engine",)),
    InfotextField("Variation seed", ("variation_seed",), when=lambda of: of.variation_strength),
    InfotextField("Variation seed strength", ("variation_strength",)),
    InfotextField("Seed resize from", ("seed_resize_from",)),
    InfotextField("Tiling", ("tiling",)),
    InfotextField("Denoising strength", ("denoising_strength",), when=lambda of: of.init_image or of.hires),
    InfotextField("Resize mode", ("resize_mode",), when=lambda of: of.init_image, words=_capitalized("resize_mode")),
    InfotextField("Mask blur", ("mask_blur",), always=True, when=lambda of: of.mask),
    InfotextField("Mask mode", ("mask_invert",), when=lambda of: of.mask, words=_MASK_MODES),
    InfotextField("Masked content", ("masked_content",), when=lambda of: of.mask),
    InfotextField("Inpaint area", ("inpaint_area",), when=lambda of: of.mask, words=_capitalized("inpaint_area")),
    InfotextField("Masked area padding", ("mask_padding",), always=True, when=_repaints_a_part),
    InfotextField("Hires upscale", ("hires_scale",), always=True, when=lambda of: of.hires and not of.hires_resize),
    InfotextField("Hires resize", ("hires_resize",), when=lambda of: of.hires),
    InfotextField("Hires steps", ("hires_steps",), when=lambda of: of.hires),
    InfotextField("Hires upscaler", ("hires_upscaler",), always=True, when=lambda of: of.hires),
    InfotextField("Hires sampler", ("hires_sampler",), when=lambda of: of.hires),
    InfotextField("Hires prompt", ("hires_prompt",), when=lambda of: of.hires),
    InfotextField("Hires negative prompt", ("hires_negative_prompt",), when=lambda of: of.hires),
)
