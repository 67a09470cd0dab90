"""Pictures drawn while training: previews, and what candidates are compared by.

Knows nothing of scores.
"""

from collections.abc import Sequence
from pathlib import Path

from retrato.embeddings import card_bytes
from retrato.files import write_atomic
from retrato.generation import Drawn, GeneratedImage, check_prompts, generate, resolve_settings
from retrato.generation.networks import hypernetworks_of
from retrato.generation.picture_text import picture_bytes
from retrato.generation.prompt_plan import plan_prompt
from retrato.generation.resolve import schedule_for_few_steps
from retrato.model import Components
from retrato.prompts import extract_tags
from retrato.settings import GenerateSettings, LearnSettings, TrainSettings
from retrato.training.events import Previewed
from retrato.training.learnable import Subject, subject_of
from retrato.training.optimizer import State
from retrato.training.prepare import Inputs, Run
from retrato.training.recipes import PickPlan, Plan

PREVIEW_STEPS = 15
ALONE = "previews are drawn with nothing but what is being learned"


def check_preview(components: Components, inputs: Inputs, settings: LearnSettings) -> list[str]:
    """Gives a sentence for each thing in the previews' prompt that may surprise; none where no previews are drawn.

    Raises SettingsError or PromptError for a prompt that cannot be drawn: now, and not at the first preview.
    """
    if not inputs.plan.preview_every:
        return []
    start = inputs.learnable.artefact(inputs.learnable.start, 0, {"initializer_text": settings.initializer_text})
    subject = subject_of(start, components.defaults.class_word)
    asked = _preview(inputs.plan, subject)
    hypernetworks_of(asked.prompt, subject.hypernetworks)
    plan_prompt(components, resolve_settings(components, asked), subject.embeddings)
    text, tags = extract_tags(asked.prompt)
    others = [
        f"prompt, character {tag.position + 1}: <{tag.kind}:{name[:64]}> does nothing: {ALONE}"
        for tag, name in ((tag, "".join(tag.positional[:1])) for tag in tags)
        if name not in subject.hypernetworks
    ]
    warnings = check_prompts([asked.changed(prompt=text)], subject.embeddings)
    return [warning.replace("prompt", "preview prompt", 1) for warning in (*others, *warnings)]


def draw_preview(run: Run, state: State) -> Previewed:
    """Draws one picture of what is known by now, always from the same seed, so that previews can be compared."""
    subject = run.subject(run.artefact(state.parameters, state.step))
    (drawn,) = _draw(run.components, _preview(run.plan, subject), subject)
    file = run.folder.images / f"{run.settings.name}-{state.step}.png"
    embedding = subject.embeddings.get(run.settings.name)
    if embedding is not None and isinstance(run.settings, TrainSettings) and run.settings.preview_cards:
        write_atomic(run.folder.path / "image_embeddings" / file.name, card_bytes(embedding, drawn.image))
    return Previewed(state.step, save_as(drawn, file))


def draw_cells(components: Components, plan: PickPlan, cells: Sequence[int], subject: Subject) -> list[GeneratedImage]:
    """Gives one picture per cell: its prompt with `subject` in place of [name], and its seed."""
    pictures: dict[int, GeneratedImage] = {}
    for number, prompt in enumerate(plan.prompts):
        own = [cell for cell in cells if cell % len(plan.prompts) == number]
        if not own:
            continue
        settings = GenerateSettings(
            prompt=subject.prompt(prompt.text),
            sampler=plan.sampler,
            schedule=plan.schedule,
            steps=plan.steps,
            clip_skip=plan.clip_skip,
            # Cells of one prompt have seeds in a row, so they are drawn together.
            seed=plan.first_seed + own[0] // len(plan.prompts),
            count=len(own),
        )
        drawn = _draw(components, settings, subject)
        pictures |= dict(zip(own, drawn, strict=True))
    return [pictures[cell] for cell in cells]


def save_as(picture: GeneratedImage, file: Path) -> Path:
    """Writes the picture with its settings to exactly this `file`."""
    return write_atomic(file, picture_bytes(picture.image, picture.settings.picture_format, picture.infotext))


def _preview(plan: Plan, subject: Subject) -> GenerateSettings:
    return GenerateSettings(
        prompt=subject.prompt(plan.preview_prompt),
        sampler="DPM++ 2M",
        schedule="Karras",
        steps=PREVIEW_STEPS,
        clip_skip=plan.clip_skip,
        seed=plan.seed % 2**32,
    )


def _draw(components: Components, settings: GenerateSettings, subject: Subject) -> list[GeneratedImage]:
    settings = settings.changed(schedule=schedule_for_few_steps(components, settings.schedule))
    events = generate(components, settings, subject.embeddings, subject.hypernetworks)
    return [event.image for event in events if isinstance(event, Drawn)]
