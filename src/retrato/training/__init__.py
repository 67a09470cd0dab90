"""Photos to what was learned from them: the loop, evaluation, stopping, picking. Knows nothing of the screen."""

from retrato.training.crowd import Failed, Of, crowd
from retrato.training.events import (
    Candidate,
    Comparing,
    Evaluated,
    Extended,
    Finished,
    Picked,
    Prepared,
    Previewed,
    Saved,
    Scored,
    Stepped,
    TrainingEvent,
)
from retrato.training.rate_schedule import parse_rate_schedule, rate_at
from retrato.training.recipes import HYPERNETWORK_RECIPES, RECIPES, Plan, Recipe, resolve
from retrato.training.run_folder import choose_run_folder
from retrato.training.train import train

__all__ = [
    "HYPERNETWORK_RECIPES",
    "RECIPES",
    "Candidate",
    "Comparing",
    "Evaluated",
    "Extended",
    "Failed",
    "Finished",
    "Of",
    "Picked",
    "Plan",
    "Prepared",
    "Previewed",
    "Recipe",
    "Saved",
    "Scored",
    "Stepped",
    "TrainingEvent",
    "choose_run_folder",
    "crowd",
    "parse_rate_schedule",
    "rate_at",
    "resolve",
    "train",
]
