"""The prompts that people are judged by, and what each of them asks for. Knows nothing of pictures."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from retrato.errors import PromptError
from retrato.training.recipes import PickPlan, PickPrompt

GROUPS = ("recontext", "attribute", "style", "framing")
SHOW_IDENTITY = ("recontext", "framing")
MOST_BYTES = 100_000
STEPS = 20  # sampling steps of each picture


@dataclass(frozen=True, slots=True)
class JudgedPrompt:
    """One prompt with `[name]` in it, and the group it belongs to."""

    group: str
    text: str

    @property
    def without_its_wish(self) -> str | None:
        """Gives the prompt without what follows its first comma, None where nothing does."""
        head, comma, _ = self.text.partition(",")
        return head if comma else None


def read_prompts(file: Path | str | None) -> tuple[JudgedPrompt, ...]:
    """Gives the prompts in `file`, by default those that come with retrato; raises PromptError."""
    name = str(file or "the built-in prompts")
    try:
        source = Path(file) if file else files("retrato.evaluation").joinpath("prompts.txt")
        with source.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise PromptError(f"{name} cannot be read ({reason}): name a text file of `group: prompt` lines") from None
    if len(content) > MOST_BYTES:
        raise PromptError(f"{name} is larger than {MOST_BYTES // 1000} KB: that is no list of prompts")
    lines = [line.strip() for line in text.splitlines()]
    prompts = tuple(_prompt(line, name) for line in lines if line and not line.startswith("#"))
    if not any(prompt.group in SHOW_IDENTITY for prompt in prompts):
        raise PromptError(
            f"{name} has no prompt that likeness can be judged by: add one of {' or '.join(SHOW_IDENTITY)}"
        )
    if len(prompts) < 2:
        raise PromptError(f"{name} has one prompt: at least two are needed to tell obedience from chance")
    return prompts


def _prompt(line: str, name: str) -> JudgedPrompt:
    group, _, text = (part.strip() for part in line.partition(":"))
    if group not in GROUPS or "[name]" not in text:
        raise PromptError(
            f"{name} has the line {line[:80]!r}: write `group: prompt` with [name] in the prompt and one of the groups "
            f"{', '.join(GROUPS)}"
        )
    return JudgedPrompt(group, text)


def drawing_plan(prompts: tuple[JudgedPrompt, ...], pick: PickPlan, first_seed: int) -> PickPlan:
    """Gives `pick`, drawn with these prompts and seeds instead: no prompt and seed that picked also judges."""
    return PickPlan(
        prompts=tuple(PickPrompt(prompt.text, prompt.group in SHOW_IDENTITY) for prompt in prompts),
        rounds=(len(prompts),),
        keep=1,
        most_candidates=1,
        first_seed=first_seed,
        sampler=pick.sampler,
        schedule=pick.schedule,
        steps=STEPS,
    )
