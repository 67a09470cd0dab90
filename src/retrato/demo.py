"""The whole way on bundled photos: learn benny, draw him in every style beside the class word, mix him, report.

Knows what a first-time visitor should see; nothing of the screen.
"""

import dataclasses
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from retrato.errors import PhotoError, SettingsError
from retrato.files import write_atomic
from retrato.generation import Drawn, GeneratedImage, Sampled
from retrato.markup import Html, tag
from retrato.model.score import Scorer
from retrato.photos import check_photos, read_photo
from retrato.settings import GenerateSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Finished
from retrato.training.captions import class_phrase
from retrato.training.drawing import save_as
from retrato.training.report import appendix, sections
from retrato.training.report.page import counted, paragraph, quoted, seconds_in_words, section, write_page
from retrato.training.report.prints import Print, strip
from retrato.training.report.record import RunRecord, read_record
from retrato.training.report.sections import Comparison

NAME = "realbenny-t2"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to draw: a heading, and its prompt with `{}` where the person, or the class word, goes."""

    title: str
    prompt: str
    pixelated: bool = False


@dataclass(frozen=True, slots=True)
class Mix:
    """The person and something else taking turns in one prompt; `{}` stands for either of the two or for both."""

    title: str
    other: str
    prompt: str


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What the demo does: how it trains, what it draws with which seeds and how carefully."""

    training: TrainSettings
    drawing: GenerateSettings
    subjects: tuple[Subject, ...]
    mixes: tuple[Mix, ...]


@dataclass(frozen=True, slots=True)
class DemoFinished:
    """The demo is over: the embedding in the library, pictures of the person, the page that shows it all."""

    embedding: Path
    portraits: tuple[Path, ...]
    report: Path
    seconds: float
    scores: Mapping[str, float]


# The scene is said, so that what is left to look at is the person.
SUBJECTS = (
    Subject("Photo", "a photo of {}, smiling, green shirt, light blue background"),
    Subject("Flat", "a portrait of {}, smiling, red shirt, yellow background, flat style"),
    Subject("Comic", "a portrait of {}, smiling, blue shirt, pink background, comic style"),
    Subject("Pixel art", "a portrait of {}, purple shirt, green background, pixel art style", pixelated=True),
)
MIXES = (
    Mix("Benny and a panda", "panda", "{}, 3d emoji style"),
    Mix("Benny and a fox", "fox", "a portrait of {}, comic style"),
)
WHOLE = DemoPlan(
    training=TrainSettings(name=NAME, preview_every=50, overwrite=True),
    drawing=GenerateSettings(prompt="-", sampler="DPM++ 2M", schedule="Karras", steps=16, seed=7, count=2),
    subjects=SUBJECTS,
    mixes=MIXES,
)
QUICK = DemoPlan(
    training=WHOLE.training.changed(
        steps=4, batch_size=2, save_every=2, evaluate_every=2, preview_every=2, held_out=2, caption="none"
    ),
    drawing=WHOLE.drawing.changed(steps=2, count=1),
    subjects=SUBJECTS[:3],
    mixes=MIXES[:1],
)


def copy_photos(out: Path) -> tuple[Path, ...]:
    """Copies benny's photos into the folder `out` and gives their paths.

    Raises PhotoError where there are none, SettingsError where `out` can be no folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{out} cannot be a folder ({error.strerror}): name another one") from None
    found = sorted(
        (entry for entry in _bundled_photos().iterdir() if entry.name.endswith(".png")), key=lambda entry: entry.name
    )
    return tuple(write_atomic(out / entry.name, entry.read_bytes()) for entry in found)


def run_demo(
    out: Path, *, home: Path | None = None, model: str | Path = "mini", quick: bool = False
) -> Iterator[object]:
    """Goes the whole way and says so: a PhotoReport, the training's events, Sampled and Drawn, at last DemoFinished.

    Photos, pictures and `report.html` go into `out`, the embedding into the library under `home` (as in
    `home.home_folder`), where an earlier benny is replaced. `quick` makes few steps and few pictures, to see that
    everything runs. Raises what the studio raises.
    """
    started = time.perf_counter()
    plan = QUICK if quick else WHOLE
    copy_photos(out / "photos")
    studio = Studio.open(model, home=home)
    class_word, scorer = class_phrase(studio.components.defaults.class_word), studio.scorer
    yield check_photos(out / "photos", size=studio.components.defaults.size)
    loaded = time.perf_counter()
    finished = None
    with closing(studio.train(out / "photos", plan.training)) as events:
        for event in events:
            finished = event if isinstance(event, Finished) else finished
            yield event
    assert finished is not None, "a training that raises nothing ends with Finished"
    learned = time.perf_counter()
    pictures: dict[str, list[Path]] = {}
    for shown in _draw(studio, plan, class_word):
        yield shown
        if isinstance(shown, Drawn):
            prompt = shown.image.settings.prompt
            pictures.setdefault(prompt, []).append(save_as(shown.image, _file(out, shown.image)))
    record = dataclasses.replace(
        read_record(finished.run_folder),
        file=finished.file,
        times={"load": loaded - started, **finished.times, "draw": time.perf_counter() - learned},
    )
    report = _write_report(out, plan, record, pictures, class_word, scorer)
    portraits = tuple(file for prompt, drawn in pictures.items() if NAME in prompt for file in drawn)
    yield DemoFinished(finished.file, portraits, report, time.perf_counter() - started, finished.scores)


def _bundled_photos() -> Traversable:
    """Gives the folder of benny's photos: in the package once that is installed, else in the repository."""
    repository = Path(__file__).parents[2] / "examples" / "photos" / "benny"
    for folder in (files("retrato").joinpath("examples", "photos", "benny"), repository):
        if folder.is_dir():
            return folder
    raise PhotoError(f"the example photos are not in this installation, nor in {repository}: install retrato again")


def _prompts(plan: DemoPlan, class_word: str) -> list[str]:
    """Gives every prompt once: each subject with the class word and with the person, each mix and its parents."""
    subjects = [subject.prompt.format(who) for subject in plan.subjects for who in (class_word, NAME)]
    mixes = [prompt for mix in plan.mixes for prompt in _mixed(mix)]
    return list(dict.fromkeys([*subjects, *mixes]))


def _mixed(mix: Mix) -> tuple[str, str, str]:
    """Gives the prompts of the person, of the other, and of the two in one."""
    return (
        mix.prompt.format(NAME),
        mix.prompt.format(class_phrase(mix.other)),
        mix.prompt.format(f"[{NAME} | {mix.other}]"),
    )


def _draw(studio: Studio, plan: DemoPlan, class_word: str) -> Iterator[Sampled | Drawn]:
    """Draws all prompts, with pictures counted through from the first to the last."""
    prompts = _prompts(plan, class_word)
    total = len(prompts) * plan.drawing.count
    for number, prompt in enumerate(prompts):
        before = number * plan.drawing.count
        for event in studio.draw_events(plan.drawing.changed(prompt=prompt)):
            if isinstance(event, Sampled):
                yield dataclasses.replace(event, first=before + event.first, count=total)
            else:
                yield dataclasses.replace(event, index=before + event.index, count=total)


def _file(out: Path, image: GeneratedImage) -> Path:
    """Gives a file named after prompt and seed, so that the demo, run again, replaces its own pictures."""
    prompt = image.settings.prompt
    words = re.sub("[^a-z0-9]+", "-", prompt.lower()).strip("-")
    return out / ("portraits" if NAME in prompt else "without") / f"{words}-{image.seed}.png"


def _write_report(
    out: Path,
    plan: DemoPlan,
    record: RunRecord,
    pictures: Mapping[str, Sequence[Path]],
    class_word: str,
    scorer: Scorer | None,
) -> Path:
    parts = [
        _hero(plan, record, pictures, scorer),
        sections.contact_sheet(record),
        _before_and_after(plan, pictures, class_word),
        _mixes(plan, pictures),
        sections.curves(record),
        sections.candidates(record),
        appendix.times_and_settings(record),
        appendix.about_scores(record),
        appendix.how_to_go_on(record, [plan.subjects[-1].prompt.format(NAME), *(_mixed(mix)[2] for mix in plan.mixes)]),
    ]
    return write_page(out / "report.html", "retrato: a person learned", parts, appendix.signature(record))


def _hero(plan: DemoPlan, record: RunRecord, pictures: Mapping[str, Sequence[Path]], scorer: Scorer | None) -> Html:
    prints = []
    for subject in plan.subjects[:4]:
        file = _most_alike(pictures[subject.prompt.format(NAME)], record, scorer)
        prints.append(Print(file, f"{NAME}, {subject.title}", caption=subject.title, pixelated=subject.pixelated))
    trained = len(record.photos) - record.held_out
    styles = [subject.title.lower() for subject in plan.subjects]
    others = " or ".join(f"a {mix.other}" for mix in plan.mixes)
    lede = (
        f"{counted(trained, 'photo')} of somebody the model had never seen became one new word, {NAME}. The model "
        f"itself was not changed, and now draws that person as {', '.join(styles[:-1])} and {styles[-1]}, or crossed "
        f"with {others}."
    )
    return sections.hero(record, f"A stranger, learned in {seconds_in_words(record.times['train'])}", lede, prints)


def _most_alike(files: Sequence[Path], record: RunRecord, scorer: Scorer | None) -> Path:
    """Gives the picture that looks most like the held-out photos; without a scorer, the first."""
    photos = [photo.file for photo in record.photos if photo.held_out]
    if scorer is None or not photos:
        return files[0]
    wanted = scorer.embed_identity([read_photo(file).image for file in photos])
    found = scorer.embed_identity([read_photo(file).image for file in files])
    return files[int((found @ wanted.T).mean(dim=1).argmax())]


def _before_and_after(plan: DemoPlan, pictures: Mapping[str, Sequence[Path]], class_word: str) -> Html:
    shown = []
    for subject in plan.subjects:
        before, after = subject.prompt.format(class_word), subject.prompt.format(NAME)
        pairs = tuple(
            (Print(left, before, pixelated=subject.pixelated), Print(right, after, pixelated=subject.pixelated))
            for left, right in zip(pictures[before], pictures[after], strict=True)
        )
        shown.append(Comparison(subject.title, after, pairs))
    text = (
        f"Each pair was drawn from the same seed, so from the same noise; only the words changed, “{class_word}” into "
        f"“{NAME}”. The person was learned from photos alone, the other styles come with the model."
    )
    return sections.comparisons("The same prompts and seeds, before and after", text, shown, (class_word, NAME))


def _mixes(plan: DemoPlan, pictures: Mapping[str, Sequence[Path]]) -> Html:
    blocks = []
    for mix in plan.mixes:
        person, other, both = _mixed(mix)
        prints = [Print(pictures[person][0], person, NAME), Print(pictures[other][0], other, mix.other)]
        prints += [Print(file, both, "both in turn") for file in pictures[both]]
        blocks.append(tag("article", tag("h3", mix.title), quoted(both, NAME), strip(prints, "mix"), class_="mixed"))
    text = "In [a | b] the two words take turns, one sampling step each, so the picture has to become both."
    return section("Crossed with something else", paragraph(text), tag("div", *blocks, class_="mixes"))
