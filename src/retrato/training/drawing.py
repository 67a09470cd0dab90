"""Pictures drawn while training: previews, and what candidates are compared by.

Knows nothing of scores.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from retrato.embeddings import Embedding
from retrato.generation import Drawn, GeneratedImage, generate
from retrato.model import Components
from retrato.settings import GenerateSettings
from retrato.training.events import Previewed
from retrato.training.optimizer import State
from retrato.training.prepare import Run
from retrato.training.recipes import PickPlan

PREVIEW_STEPS = 15


def draw_preview(run: Run, state: State) -> Previewed:
    """Draws one picture with the current vectors, always from the same seed, so that previews can be compared."""
    embedding = run.embedding(state.vectors, state.step)
    settings = GenerateSettings(
        prompt=run.plan.preview_prompt.replace("[name]", embedding.name),
        sampler="DPM++ 2M",
        schedule="Karras",
        steps=PREVIEW_STEPS,
        seed=run.plan.seed % 2**32,
    )
    (drawn,) = _draw(run.components, settings, {embedding.name: embedding})
    file = run.folder.images / f"{embedding.name}-{state.step}.png"
    return Previewed(state.step, save_as(drawn, file))


def draw_cells(
    components: Components, plan: PickPlan, cells: Sequence[int], subject: str, embedding: Embedding | None
) -> list[GeneratedImage]:
    """Gives one picture per cell: its prompt with `subject` in place of [name], and its seed.

    `embedding` is the one that `subject` names, None for ordinary words.
    """
    pictures: dict[int, GeneratedImage] = {}
    for number, prompt in enumerate(plan.prompts):
        own = [cell for cell in cells if cell % len(plan.prompts) == number]
        if not own:
            continue
        settings = GenerateSettings(
            prompt=prompt.text.replace("[name]", subject),
            sampler=plan.sampler,
            schedule=plan.schedule,
            steps=plan.steps,
            # Cells of one prompt have seeds in a row, so they are drawn together.
            seed=plan.first_seed + own[0] // len(plan.prompts),
            count=len(own),
        )
        drawn = _draw(components, settings, {embedding.name: embedding} if embedding else {})
        pictures |= dict(zip(own, drawn, strict=True))
    return [pictures[cell] for cell in cells]


def save_as(picture: GeneratedImage, file: Path) -> Path:
    """Writes the picture with its settings to exactly this `file`."""
    return picture.save(file.parent).replace(file)


def _draw(
    components: Components, settings: GenerateSettings, embeddings: Mapping[str, Embedding]
) -> list[GeneratedImage]:
    return [event.image for event in generate(components, settings, embeddings) if isinstance(event, Drawn)]
