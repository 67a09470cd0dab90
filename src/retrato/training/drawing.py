"""Pictures drawn while training: previews, and what candidates are compared by.

Knows nothing of scores.
"""

from collections.abc import Sequence
from pathlib import Path

from retrato.embeddings import card_bytes
from retrato.files import write_atomic
from retrato.generation import Drawn, GeneratedImage, generate
from retrato.model import Components
from retrato.settings import GenerateSettings, TrainSettings
from retrato.training.events import Previewed
from retrato.training.learnable import Subject
from retrato.training.optimizer import State
from retrato.training.prepare import Run
from retrato.training.recipes import PickPlan

PREVIEW_STEPS = 15


def draw_preview(run: Run, state: State) -> Previewed:
    """Draws one picture of what is known by now, always from the same seed, so that previews can be compared."""
    subject = run.subject(run.artefact(state.parameters, state.step))
    settings = GenerateSettings(
        prompt=subject.prompt(run.plan.preview_prompt),
        sampler="DPM++ 2M",
        schedule="Karras",
        steps=PREVIEW_STEPS,
        seed=run.plan.seed % 2**32,
    )
    (drawn,) = _draw(run.components, settings, subject)
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
            # Cells of one prompt have seeds in a row, so they are drawn together.
            seed=plan.first_seed + own[0] // len(plan.prompts),
            count=len(own),
        )
        drawn = _draw(components, settings, subject)
        pictures |= dict(zip(own, drawn, strict=True))
    return [pictures[cell] for cell in cells]


def save_as(picture: GeneratedImage, file: Path) -> Path:
    """Writes the picture with its settings to exactly this `file`."""
    return picture.save(file.parent).replace(file)


def _draw(components: Components, settings: GenerateSettings, subject: Subject) -> list[GeneratedImage]:
    events = generate(components, settings, subject.embeddings, subject.hypernetworks)
    return [event.image for event in events if isinstance(event, Drawn)]
