"""What a run has to choose from in the end. Knows nothing of how pictures are compared."""

import math

from retrato.training.evaluate import evaluate
from retrato.training.events import Candidate
from retrato.training.frozen import frozen
from retrato.training.learnable import write_artefact
from retrato.training.optimizer import Parameters, State
from retrato.training.prepare import Run

AVERAGE = "-average"  # in the name of its file


def gather_candidates(run: Run, state: State) -> list[Candidate]:
    """Gives what was saved, the least loss and the moving average, in the order of steps, the average last.

    Who deleted what was saved has not lost the run: those files are left out, but for what is known without them.
    """
    loss_at = dict(state.evaluations)
    files = {step: run.folder.candidate(step) for step in state.saved}
    found = [Candidate(step, file, loss_at.get(step, math.nan)) for step, file in files.items() if file.exists()]
    known: dict[int, Parameters] = {}
    if state.best_evaluation is not None:
        known = {state.best_evaluation[0]: state.best}
    elif state.saved and not found:
        known = {state.step: state.parameters}
    for step in known.keys() - {candidate.step for candidate in found}:
        file = write_artefact(run.artefact(known[step], step), run.folder.candidate(step))
        found.append(Candidate(step, file, loss_at.get(step, math.nan)))
    found.sort(key=lambda candidate: candidate.step)
    if run.plan.average_over and state.updates:
        with frozen(run.components, run.plan.batch_size, run.latent_cells) as autocast:
            loss = evaluate_run(run, state.average, autocast)
        averaged = run.artefact(state.average, state.step, averaged_over=str(run.plan.average_over))
        file = write_artefact(averaged, run.folder.candidate(state.step, AVERAGE))
        found.append(Candidate(state.step, file, loss, is_average=True))
    return found


def evaluate_run(run: Run, parameters: Parameters, autocast: bool) -> float:
    """Gives the run's deterministic loss for `parameters`."""
    return evaluate(
        run.components,
        run.diffusion,
        run.evaluation,
        run.learnable,
        parameters,
        batch_size=max(8, run.plan.batch_size),
        autocast=autocast,
    )
