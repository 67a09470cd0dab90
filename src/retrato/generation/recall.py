"""From a picture's parameters text back to the settings that draw it. Knows a model and a library by what they say."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrato.embeddings import EmbeddingLibrary
from retrato.errors import PhotoError, SettingsError
from retrato.generation.infotext import FIELDS, READ_DEFAULTS, parse_infotext, version_of, written_fields
from retrato.generation.picture_text import require_infotext
from retrato.generation.resolve import part_of
from retrato.generation.sign import PROGRAM
from retrato.generation.upscale import find_upscaler
from retrato.model.components import Components
from retrato.sampling.samplers import AUTOMATIC, find_sampler
from retrato.settings import GenerateSettings

MOST_DRAWN_TOGETHER = 64

# What pictures say about themselves that is no setting, or that is looked at elsewhere.
_FACTS = frozenset(
    {
        *("Prompt", "Negative prompt", "Model", "Model hash", "Version", "User", "RNG", "TI hashes", "Batch size"),
        *(
            "Batch pos",
            "First pass size-1",
            "First pass size-2",
            "Template",
            "Negative Template",
            "Hashes",
            "Hypernet",
            "Hypernet strength",
            "Hypernet hash",
        ),
        *(
            "NGMS all steps",
            "Hires schedule type",
            "Hypernet hashes",
            "Lora hashes",
            "VAE",
            "VAE hash",
            "Downcast alphas_cumprod",
            "Pad conds v0",
        ),
        *("Script", *(f"{axis} {said}" for axis in "XYZ" for said in ("Type", "Values"))),  # of a sheet
    }
)
# What `parse_infotext` works out from other fields.
_WORKED_OUT = ("Size-1", "Size-2", "Hires resize-1", "Hires resize-2", "Old prompt editing timelines")
_SCHEDULES_CAME = (1, 9, 0, -1)  # A1111's version that first writes schedules apart: 1.9, its candidates too
_OLD_MODEL_HASH = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a picture says about how it was drawn.

    `values` are GenerateSettings' fields that it names, not yet validated; `place` its place among `together` pictures
    drawn at once; `begins_with_picture` that it was drawn from another picture, which it cannot name; `model_hash` and
    `embedding_hashes` what it was drawn with; `notes` what cannot be done again; `vae` and `vae_hash` which VAE, where
    it was not the model's own.
    """

    values: Mapping[str, Any]
    place: int = 0
    together: int = 1
    begins_with_picture: bool = False
    model_hash: str | None = None
    embedding_hashes: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    vae: str = ""
    vae_hash: str = ""

    @property
    def settings(self) -> GenerateSettings:
        """The settings that draw this picture alone; raises SettingsError for values that cannot be drawn."""
        return settings_from(self.values)

    @property
    def batch_settings(self) -> GenerateSettings:
        """The settings that draw all pictures of its batch, among them this one to the bit."""
        settings = self.settings
        own = settings.variation_seed if settings.variation_strength else settings.seed
        if own < self.place:  # no picture of ours says that
            return settings
        return part_of(settings, -self.place, self.together).changed(batch_size=self.together)


def settings_from(values: Mapping[str, Any]) -> GenerateSettings:
    """Gives validated settings; the error says that it is the picture that asks for them."""
    try:
        return GenerateSettings(**values)
    except SettingsError as error:
        raise SettingsError(f"what the picture says cannot be drawn: {error}") from None


def recall_picture(path: str | Path) -> Recalled:
    """Gives what the picture in `path` says; raises PhotoError for one that says nothing or cannot be read."""
    recalled = recall(require_infotext(path))
    if not recalled.values.keys() & {"steps", "seed", "sampler"}:
        raise PhotoError(f"{path} carries a text that says no settings: take a picture that a program drew")
    return recalled


def recall(infotext: str) -> Recalled:
    """Gives what a parameters text says, whichever program wrote it; time grows with its length, and nothing is raised.

    Old pictures are drawn by the old rules of `[from:to:when]`, where a version or an eight-digit model hash shows that
    they are old.
    """
    written = written_fields(infotext)
    fields = parse_infotext(infotext)
    values: dict[str, Any] = {"prompt": fields["Prompt"], "negative_prompt": fields["Negative prompt"]}
    values["wildcards"] = "off"  # what a picture says is what was drawn
    if "#" in infotext:
        values["prompt_comments"] = False
    said = written | {key: fields[key] for key in _WORKED_OUT if fields.get(key) != READ_DEFAULTS.get(key)}
    if said.get("Hires sampler") == READ_DEFAULTS["Hires sampler"]:
        del said["Hires sampler"]
    for each in FIELDS:
        values |= each.read(said)
    values["hires"] = any(key.startswith("Hires ") for key in said)
    is_ours = written.get("Version", "").startswith(PROGRAM)
    values |= _split(values)
    notes = [
        *_without_unknown(values),
        *_without_idle(values, is_ours=is_ours),
        *_with_second_schedule(values, written),
    ]
    if not is_ours:
        notes += [*_with_old_schedules(values, written), *_of_guidance(values, written)]
    begins_with_picture = "denoising_strength" in values and not values["hires"]
    if _is_of_2022(written) and "[" in values["prompt"] and "schedule_rules" not in values:
        values["schedule_rules"] = "2022"
        notes.append("it was drawn before 2023, so numbers in [from:to:when] mean what they meant then")
    known = _FACTS.union(*(_keys(each.name) for each in FIELDS))
    if unknown := [key for key in written if key not in known]:
        notes.append(f"it also says {', '.join(unknown[:8])}, which retrato does not do: they are left out")
    if not is_ours:
        notes.append("another program drew it, whose noise is another one: expect a similar picture, not the same")
    place, together = _batch(written)
    hashes = _named_hashes(written.get("TI hashes", ""))
    vae, vae_hash = written.get("VAE", ""), written.get("VAE hash", "")
    model_hash = written.get("Model hash")
    return Recalled(values, place, together, begins_with_picture, model_hash, hashes, tuple(notes), vae, vae_hash)


def what_differs(recalled: Recalled, components: Components, library: EmbeddingLibrary) -> Iterator[str]:
    """Yields a sentence for each thing that a picture was drawn with and that is another one here."""
    own_hash = components.old_hash if _OLD_MODEL_HASH.fullmatch(recalled.model_hash or "") else components.hash
    if recalled.model_hash and own_hash and recalled.model_hash != own_hash:
        yield (
            f"it was drawn by the model {recalled.model_hash}, this is {own_hash} "
            f"({components.name}): expect another picture"
        )
    if (recalled.vae or recalled.vae_hash) and recalled.vae_hash != components.vae_hash:
        yield (
            f"it was drawn with the VAE {recalled.vae or recalled.vae_hash}, this one is "
            f"{components.vae_name or 'what the model brings'}: name that one with --vae"
        )
    for name, file_hash in (recalled.embedding_hashes or {}).items():
        if name not in library:
            yield f"the embedding {name} is not in {library.folder}: its name is drawn as plain words"
        elif library[name].file_hash != file_hash:
            yield (
                f"the embedding {name} has changed since ({file_hash} then, {library[name].file_hash} now): "
                "expect another picture"
            )


def _split(values: Mapping[str, Any]) -> dict[str, str]:
    """Gives sampler and schedule of a name from before A1111 1.9, such as `DPM++ 2M Karras`; empty for any other."""
    try:
        sampler, schedule = find_sampler(values["sampler"])
    except (KeyError, SettingsError):
        return {}
    is_joined = schedule != AUTOMATIC and "schedule" not in values
    return {"sampler": sampler.name, "schedule": schedule} if is_joined else {}


def _without_idle(values: dict[str, Any], *, is_ours: bool) -> Iterator[str]:
    """Takes out of `values` what A1111 writes and does not heed; yields a sentence where that may surprise.

    Its API wrote `Seed resize from: -1x-1` and `Denoising strength: 0` into pictures that start from nothing, and one
    side of a second pass may be 0: then it follows from the format.
    """
    if re.fullmatch(r"-\d+x-\d+|0+x0+", values.get("seed_resize_from", "")):
        del values["seed_resize_from"]
    if not is_ours and re.fullmatch(r"0(\.0*)?", values.get("denoising_strength", "")):
        del values["denoising_strength"]
    sides = [values.get(name, "") for name in ("width", "height")]
    if found := re.fullmatch(r"(\d{1,5})x(\d{1,5})", values.get("hires_resize", "")):
        width, height = int(found[1]), int(found[2])
        if not (width and height) and all(re.fullmatch(r"[1-9]\d{0,4}", side) for side in sides):
            first_width, first_height = map(int, sides)
            width, height = width or height * first_width // first_height, height or width * first_height // first_width
            values["hires_resize"] = f"{width // 8 * 8}x{height // 8 * 8}"
    try:
        sampler, _ = find_sampler(values["sampler"])
        schedule = find_sampler("Euler", values["schedule"])[1]
    except (KeyError, SettingsError):
        return
    if schedule not in sampler.schedules:
        del values["schedule"]
        yield f"it says the schedule {schedule}, of which {sampler.name} takes no notice: it is left out"


def _without_unknown(values: dict[str, Any]) -> Iterator[str]:
    """Puts what is here in place of an upscaler and a schedule that are not; yields a sentence for each."""
    if name := values.get("hires_upscaler"):
        try:
            find_upscaler(name)
        except SettingsError:
            values["hires_upscaler"] = "Lanczos"
            yield f"it says the upscaler {name[:40]}, which retrato does not bring: Lanczos takes its place"
    if name := values.get("schedule"):
        try:
            find_sampler("Euler", name)
        except SettingsError:
            values["schedule"] = AUTOMATIC
            yield f"it says the schedule {name[:40]}, which retrato does not know: Automatic takes its place"


def _with_second_schedule(values: dict[str, Any], fields: Mapping[str, str]) -> Iterator[str]:
    """Joins the second pass' own schedule, which A1111 writes apart, to its sampler; a sentence where that cannot be.

    Where it says Automatic, that is what Automatic means for the sampler, whatever the first pass has.
    """
    said, same = fields.get("Hires schedule type", ""), READ_DEFAULTS["Hires schedule type"]
    if not values["hires"] or said in ("", same):
        return
    name = values.get("hires_sampler") or values.get("sampler", "")
    try:
        sampler, _ = find_sampler(name)
        _, schedule = find_sampler(sampler.name, said)
    except SettingsError:
        yield f"it says the schedule {said[:40]} for the second pass, which {name[:40]} does not take: it is left out"
        return
    schedule = sampler.automatic if schedule == AUTOMATIC else schedule
    values["hires_sampler"] = sampler.name if schedule == AUTOMATIC else f"{sampler.name} {schedule}"


def _with_old_schedules(values: dict[str, Any], fields: Mapping[str, str]) -> Iterator[str]:
    """Says the schedules of a picture from before A1111 1.9, where a name alone meant Uniform, but for Restart.

    Since then it means Automatic, which is Karras or Exponential for some; those get a sentence.
    """
    version = version_of(fields)
    is_old = version < _SCHEDULES_CAME if version else "Version" not in fields
    if not is_old or any(name in fields for name in ("Schedule type", "Hires schedule type")):
        return
    for name in ("sampler", "hires_sampler"):
        try:
            sampler, schedule = find_sampler(values.get(name, ""))
        except SettingsError:
            continue
        is_said = schedule != AUTOMATIC or (name == "sampler" and "schedule" in values)
        meant = "Karras" if sampler.name == "Restart" else "Uniform"
        if is_said or meant not in sampler.schedules or sampler.automatic == AUTOMATIC:
            continue
        if name == "hires_sampler":
            values[name] = f"{sampler.name} {meant}"
        elif meant != sampler.automatic:
            values["schedule"] = meant
            yield f"before A1111 1.9 {sampler.name} alone meant the schedule {meant}: it is drawn with that"


def _of_guidance(values: Mapping[str, Any], fields: Mapping[str, str]) -> Iterator[str]:
    """Yields a sentence where A1111 passed over the negative prompt at every second step only."""
    level = values.get("guidance_min_sigma", "0")
    if re.search("[1-9]", level) and fields.get("NGMS all steps") != "True":
        yield (
            f"below noise level {level[:20]} it passed over the negative prompt at every second step, here it is at "
            "each: expect another picture"
        )


def _keys(name: str) -> tuple[str, ...]:
    return name, f"{name}-1", f"{name}-2"


def _is_of_2022(fields: Mapping[str, str]) -> bool:
    return "Version" not in fields and bool(_OLD_MODEL_HASH.fullmatch(fields.get("Model hash", "")))


def _batch(fields: Mapping[str, str]) -> tuple[int, int]:
    """Gives (place, pictures drawn together); (0, 1) for what makes no sense."""
    texts = fields.get("Batch pos", "0"), fields.get("Batch size", "1")
    if not all(text.isascii() and text.isdigit() and len(text) < 4 for text in texts):
        return 0, 1
    place, together = map(int, texts)
    is_sound = place < together <= MOST_DRAWN_TOGETHER and fields.get("Version", "").startswith(PROGRAM)
    return (place, together) if is_sound else (0, 1)


def _named_hashes(text: str) -> dict[str, str]:
    pairs = (part.split(": ", 1) for part in text.split(", "))
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
