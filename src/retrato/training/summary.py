"""What a run leaves for people and reports to read: `settings-*.json` at its start, `run.json` at its end.

Knows nothing of how either is shown.
"""

import dataclasses
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

from retrato.files import write_atomic
from retrato.training.events import Candidate, Finished
from retrato.training.optimizer import State
from retrato.training.pick import Choice
from retrato.training.prepare import Run
from retrato.training.run_folder import seen_from


def write_settings(run: Run, first_step: int, now: datetime | None = None) -> Path:
    """Writes everything the run was started with as `settings-<date and time>.json`, one file per start."""
    moment = (now or datetime.now()).strftime("%Y-%m-%d-%H-%M-%S")
    content = {
        "first_step": first_step,
        "settings": run.settings.model_dump(),
        "plan": dataclasses.asdict(run.plan),
        "model": _model(run),
        "photos": _photos(run),
    }
    return _write(run.folder.path / f"settings-{moment}.json", content)


def write_summary(run: Run, state: State, choice: Choice, finished: Finished) -> Path:
    """Writes `run.json`: the result, why training stopped, what was picked and why, every figure on the way there."""
    subject = run.subject(run.read(choice.picked.file))
    content = {
        "name": finished.name,
        "file": finished.file,
        "kind": run.folder.kind,
        "subject": {"words": subject.words, "tag": subject.tag},
        "vectors": finished.vectors,
        "dim": finished.dim,
        "numbers": finished.numbers,
        "norms": run.learnable.lengths(state.parameters),
        "vocabulary_norms": run.learnable.units if run.folder.kind == "embeddings" else (),
        "picked_step": finished.picked_step,
        "picked_is_average": choice.picked.is_average,
        "pick_reason": choice.reason,
        "stop_reason": finished.stop_reason,
        "steps_run": finished.steps_run,
        "samples": finished.samples,
        "skipped_steps": state.skipped,
        "rollbacks": state.rollbacks,
        "seconds": finished.seconds,
        "times": dict(finished.times),
        "scores": dict(finished.scores),
        "yardstick": dict(choice.yardstick),
        "class_pictures": choice.class_pictures,
        "candidates": [_candidate(candidate) for candidate in finished.candidates],
        "evaluations": [{"step": step, "loss": loss} for step, loss in state.evaluations],
        "loss_log": run.folder.loss_log,
        "model": _model(run),
        "photos": _photos(run),
        "settings": run.settings.model_dump(),
        "plan": dataclasses.asdict(run.plan),
    }
    return _write(run.folder.summary, content)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "step": candidate.step,
        "file": candidate.file,
        "is_average": candidate.is_average,
        "loss": candidate.loss if math.isfinite(candidate.loss) else None,
        "scores": dict(candidate.scores),
        "earlier": [dict(scores) for scores in candidate.earlier],
        "pictures": candidate.pictures,
    }


def _model(run: Run) -> dict[str, str]:
    components = run.components
    return {
        "name": components.name,
        "hash": components.hash,
        "device": str(components.device),
        "dtype": str(components.dtype).removeprefix("torch."),
    }


def _photos(run: Run) -> list[dict[str, Any]]:
    return [
        {"file": seen_from(run.folder.path, photo.path), "caption": caption, "held_out": index in run.split.held_out}
        for index, (photo, caption) in enumerate(zip(run.photos, run.captions, strict=True))
    ]


def _write(path: Path, content: dict[str, Any]) -> Path:
    return write_atomic(path, json.dumps(content, indent=1, default=str, ensure_ascii=False) + "\n")
