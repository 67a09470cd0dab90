"""Complete sets of training choices: the recipes, and how one becomes the plan of a run.

To add a recipe, add a row to `RECIPES`. Knows no torch and no model: a relative rate becomes an absolute one where the
vocabulary is known (see `optimizer.absolute_rates`).
"""

import dataclasses
import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from retrato.errors import SettingsError
from retrato.prompts import read_templates
from retrato.prompts.templates import TEMPLATES
from retrato.settings import MOST_STEPS, HypernetworkSettings, LearnSettings
from retrato.training.rate_schedule import parse_rate_schedule, rate_at


@dataclass(frozen=True, slots=True)
class PickPrompt:
    """A prompt that candidates are drawn with; `[name]` stands for the person.

    `shows_identity` is False where style or clothes change so much that likeness must not be judged by it.
    """

    text: str
    shows_identity: bool = True


@dataclass(frozen=True, slots=True)
class PickPlan:
    """How candidates are compared: the same prompts and seeds for each, in rounds that keep the better part.

    A *cell* is a prompt with a seed: cell i uses prompt i mod P of the P prompts and seed `first_seed + i // P`. Round
    r draws the cells before `rounds[r]` with every candidate still in; then all but 1/`keep` of them are dropped. The
    class word is drawn in every cell too, for comparison. At most 100 pictures are drawn (`pick.pictures_needed`).
    """

    prompts: tuple[PickPrompt, ...]
    rounds: tuple[int, ...]
    keep: int
    most_candidates: int
    first_seed: int
    sampler: str
    schedule: str
    steps: int
    clip_skip: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a recipe chooses and a plan carries on, where no setting says otherwise.

    rate_is_relative    True: a rate says how far a step moves a vector at most, in mean norms of the vocabulary, so
                        that one serves every model: rho = rate * sqrt(dim) / mean norm. False: AdamW's own rate
    warm_up             steps over which the rate rises linearly from nothing
    final_rate          share of the rate that is left, linearly, at the last step; 1 keeps it
    betas               AdamW's two decay rates
    weight_decay        AdamW's decoupled decay per unit of rate
    norm_cap            longest a vector may become, in mean norms of the vocabulary; None for no limit
    batch_size, steps   photos per step, most steps
    extra_steps         how many more are made, once, where all steps are done, the loss has not settled and the best is
                        little like the person (see `pick.is_little_like`); 0 for none
    evaluate_every      steps between evaluations on the held-out photos
    save_every          steps between candidates on disk
    evaluation_pairs    about how many (photo, timestep) pairs there are in an evaluation
    timesteps           "stratified": one from each of batch-size many equal strata; "uniform": independent
    average_over        steps that the moving average of the vectors looks back, one more candidate; 0 for none
    patience            evaluations without a gain after which training stops; None for never
    least_gain          by which share an evaluation must beat the best one to count as a gain
    templates           what is said about a photo; `, [filewords]` goes where there is no caption
    pick                how candidates are compared
    """

    rate_is_relative: bool
    warm_up: int
    final_rate: float
    betas: tuple[float, float]
    weight_decay: float
    norm_cap: float | None
    batch_size: int
    steps: int
    extra_steps: int = 0
    evaluate_every: int
    save_every: int
    evaluation_pairs: int
    timesteps: Literal["stratified", "uniform"]
    average_over: int
    patience: int | None
    least_gain: float
    templates: tuple[str, ...]
    pick: PickPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Choices):
    """A complete set of training choices; a user's settings override single ones.

    `learning_rate` is that of AdamW per step, or relative; `hold_out` says whether photos are held out by default.
    """

    learning_rate: float
    hold_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Choices):
    """Everything a run needs to know, nothing left open: a recipe with the settings applied.

    `rates` are the stages of the rate as (rate, end step), relative or not as `rate_is_relative` says;
    `gradient_clips` those of the largest norm or value of the gradient, whose last never ends; empty for no limit.
    `steps` is where training ends at the latest, so also where a schedule ends before the asked number of steps.
    `batch_size` times `gradient_accumulation` photos make one step.
    """

    recipe: str
    rates: tuple[tuple[float, int], ...]
    gradient_accumulation: int
    gradient_clips: tuple[tuple[float, int], ...]
    gradient_clip_by: Literal["norm", "value"]
    preview_every: int
    preview_prompt: str
    held_out: int
    shuffle_tags: bool
    tag_dropout: float
    latent_sampling: Literal["once", "deterministic", "random"]
    clip_skip: int
    seed: int

    @property
    def samples_per_step(self) -> int:
        """Gives how many photo passes one step makes."""
        return self.batch_size * self.gradient_accumulation

    def rate(self, step: int) -> float:
        """Gives the rate of `step` (from 0), warm-up and decay applied, before it becomes absolute."""
        rate = rate_at(self.rates, step)
        if rate is None:
            return 0.0
        warm = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        return rate * warm * (1 - (1 - self.final_rate) * step / self.steps)

    def extended(self) -> "Plan":
        """Gives the plan with the extra steps, after which there are none; their candidates are compared alone.

        They are fewer, so that both comparisons together draw at most 100 pictures.
        """
        steps = self.steps + self.extra_steps
        return dataclasses.replace(
            self,
            steps=steps,
            extra_steps=0,
            rates=(*self.rates[:-1], (self.rates[-1][0], steps)),
            pick=dataclasses.replace(self.pick, most_candidates=self.pick.most_candidates * 3 // 4),
        )


def resolve(settings: LearnSettings, recipe: Recipe, photo_count: int) -> Plan:
    """Gives the plan of a run: the recipe's choices, replaced where the settings say something.

    A rate in the settings is AdamW's own rate, as everywhere else, and comes without warm-up and decay. Where steps or
    rate are in the settings, there are no extra steps.
    Raises SettingsError for a rate that is not a positive number, or for more held-out photos than can be spared, and
    PromptError for a template that cannot be read.
    """
    own_rate = bool(settings.learning_rate)
    own_length = own_rate or settings.steps is not None
    rates = _rates(settings.learning_rate or f"{recipe.learning_rate!r}", settings.steps or recipe.steps)
    steps = min(settings.steps or recipe.steps, max(end for _, end in rates))
    held_out = _held_out(settings.held_out, recipe.hold_out, photo_count)
    choices: dict[str, Any] = {choice.name: getattr(recipe, choice.name) for choice in dataclasses.fields(Choices)}
    choices |= {
        "rate_is_relative": recipe.rate_is_relative and not own_rate,
        "warm_up": 0 if own_rate else min(recipe.warm_up, steps // 5),
        "final_rate": 1.0 if own_rate else recipe.final_rate,
        "batch_size": min(settings.batch_size or recipe.batch_size, photo_count - held_out),
        "steps": steps,
        "extra_steps": 0 if own_length else recipe.extra_steps,
        "evaluate_every": min(settings.evaluate_every or recipe.evaluate_every, steps),
        "save_every": min(settings.save_every or recipe.save_every, steps),
        "templates": _templates(settings) or recipe.templates,
        "pick": dataclasses.replace(recipe.pick, clip_skip=settings.clip_skip),
    }
    return Plan(
        **choices,
        recipe=settings.recipe,
        rates=rates,
        gradient_accumulation=settings.gradient_accumulation,
        gradient_clips=_clips(settings.gradient_clip),
        gradient_clip_by=settings.gradient_clip_by,
        preview_every=settings.preview_every or 0,
        preview_prompt=settings.preview_prompt or "a portrait of [name]",
        held_out=held_out,
        shuffle_tags=settings.shuffle_tags,
        tag_dropout=settings.tag_dropout,
        latent_sampling=settings.latent_sampling,
        clip_skip=settings.clip_skip,
        seed=settings.seed,
    )


def check_choices(settings: LearnSettings, recipe: Recipe) -> None:
    """Raises what `resolve` raises however many photos there are."""
    resolve(settings, recipe, (settings.held_out or 0) + LEAST_TRAINED)


def _rates(text: str, steps: int) -> tuple[tuple[float, int], ...]:
    """Gives the stages of the rate; raises SettingsError for one that is not a number from 0 up."""
    try:
        rates = tuple(parse_rate_schedule(text, steps))
    except SettingsError as error:
        raise SettingsError(str(error), field="learning_rate") from None
    if "," in text and rates[0][0] == 0:
        raise SettingsError(
            f"the learning rate {text!r} begins with 0: decimals take a point, such as 0.005", field="learning_rate"
        )
    for rate, _ in rates:
        if not 0 <= rate < math.inf:
            raise SettingsError(
                f"the learning rate holds {rate}: rates are numbers from 0 up, such as 0.005", field="learning_rate"
            )
    return rates


def _clips(text: str | None) -> tuple[tuple[float, int], ...]:
    """Gives the stages of the gradient's limit; raises SettingsError for one that is not a number above 0.

    Its last entry holds for good, whatever end is written and however long training goes on, as in A1111.
    """
    if text is None:
        return ()
    try:
        stages = parse_rate_schedule(text, MOST_STEPS)
    except SettingsError:
        stages = []
    if not stages or not all(0 < limit < math.inf for limit, _ in stages):
        raise SettingsError(
            f"gradient_clip is {text!r}: write a number above 0, or pairs of limit and last step such as `1:100, 0.1`",
            field="gradient_clip",
        )
    return (*stages[:-1], (stages[-1][0], MOST_STEPS))


def _templates(settings: LearnSettings) -> tuple[str, ...]:
    """Gives the lines of the template file that was asked for; those for a hypernetwork need not say [name]."""
    if not settings.template:
        return ()
    return tuple(read_templates(settings.template, needs_name=not isinstance(settings, HypernetworkSettings)))


LEAST_TRAINED = 3


def _held_out(asked: int | None, by_default: bool, photo_count: int) -> int:
    """Gives how many photos to keep out of training: what was asked, else a fifth; at least three are trained on."""
    spare = max(photo_count - LEAST_TRAINED, 0)
    if asked is None:
        return min(photo_count // 5, spare) if by_default else 0
    if asked > spare:
        raise SettingsError(
            f"held_out is {asked} of {photo_count} photos, but {LEAST_TRAINED} must remain to train on: "
            f"take at most {spare}, or more photos",
            field="held_out",
        )
    return asked


_PICK = PickPlan(
    prompts=(
        PickPrompt("a photo of [name]"),
        PickPrompt("a photo of [name], smiling, blue background"),
        PickPrompt("a photo of [name], red shirt, yellow background"),
        PickPrompt("a portrait of [name], comic style", shows_identity=False),
        PickPrompt("a close-up photo of [name], surprised, green background"),
        PickPrompt("a portrait of [name], pixel art style", shows_identity=False),
    ),
    rounds=(3, 6, 12),
    keep=2,
    most_candidates=8,
    first_seed=1_000_003,
    sampler="DPM++ 2M",
    schedule="Karras",
    steps=12,
)

RECIPES = MappingProxyType(
    {
        # Few steps, all of full length: what ends well is picked, so nothing has to fade out.
        "retrato": Recipe(
            learning_rate=0.5,
            rate_is_relative=True,
            warm_up=0,
            final_rate=1.0,
            betas=(0.9, 0.99),
            weight_decay=0.0,
            norm_cap=6.0,
            batch_size=4,
            steps=250,
            extra_steps=350,
            evaluate_every=25,
            save_every=25,
            evaluation_pairs=32,
            timesteps="stratified",
            average_over=25,
            patience=6,
            least_gain=0.001,
            hold_out=True,
            templates=(
                "a photo of [name], [filewords]",
                "a [framing] photo of [name], [filewords]",
                "a picture of [name], [filewords]",
                "[name], [filewords]",
            ),
            pick=_PICK,
        ),
        # What A1111's Train tab did, as the reference that everything is compared with; evaluation and pick are ours.
        "a1111": Recipe(
            learning_rate=0.005,
            rate_is_relative=False,
            warm_up=0,
            final_rate=1.0,
            betas=(0.9, 0.999),
            weight_decay=0.0,
            norm_cap=None,
            batch_size=1,
            steps=30_000,
            evaluate_every=500,
            save_every=500,
            evaluation_pairs=32,
            timesteps="uniform",
            average_over=0,
            patience=None,
            least_gain=0.0,
            hold_out=True,
            templates=TEMPLATES["subject_filewords"],
            pick=_PICK,
        ),
    }
)

# A hypernetwork has no vocabulary to measure its steps by, so its rates are AdamW's own.
HYPERNETWORK_RECIPES = MappingProxyType(
    {
        "retrato": dataclasses.replace(
            RECIPES["retrato"],
            learning_rate=5e-4,
            rate_is_relative=False,
            warm_up=20,
            final_rate=0.1,
            norm_cap=None,
            steps=400,
            extra_steps=0,
            save_every=50,
            average_over=50,
        ),
        "a1111": dataclasses.replace(RECIPES["a1111"], learning_rate=1e-5),
    }
)
