"""What the library says, in Portuguese. The library makes the sentences here: one that it changes is missed at once."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from retrato.errors import PromptError
from retrato.photos.advice import Figures, set_advice
from retrato.photos.look import Measured, problems_of
from retrato.photos.measure import Border, Exposure, Light
from retrato.prompts.wildcards import WildcardFolder
from retrato.server.web.site import Site
from retrato.server.web.spoken import SENTENCES, spoken
from retrato.settings import TrainSettings
from retrato.training.captions import captions_hint
from retrato.training.extension import after_extension, extension, still_best
from retrato.training.pick import _least_loss, _reason
from retrato.training.recipes import RECIPES, resolve
from retrato.training.train import _reason_to_stop

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")
ENGLISH = {"the", "of", "photos", "picture", "it", "and", "step", "face", "add", "than", "is", "with", "likeness"}


def advice() -> list[str]:
    def figures(framing: Any, number: int = 0, **more: Any) -> Figures:
        return Figures(framing, Border((60.0 * number, 0, 0), 1), Light(50.0 * number, 0), **more)

    alike = [figures("full", clothes=(1, 1, 1), turn=0.0)] * 6
    return [
        *set_advice(alike, doubtful=["a.png"], refused=["b.png"]),
        *set_advice(alike, doubtful=list("abcdef"), refused=list("abcdef")),
        *set_advice([figures("close", number % 4) for number in range(70)], doubtful=[], refused=[]),
        *set_advice([figures(None, number % 4) for number in range(20)], doubtful=[], refused=[]),
        *set_advice([figures("half", number % 4) for number in range(20)], doubtful=[], refused=[]),
        "Too few faces were found (in drawings hardly any is): nobody checked who is in the photos.",
    ]


def problems() -> list[str]:
    def about(dark: float, bright: float, **more: Any) -> Measured:
        figures = Figures(None, Border((0, 0, 0), 1), Light(0, 0))
        return Measured(Path("x"), (90, 60), 0.0, Exposure(dark, bright), cast("Any", None), figures, **more)

    face = cast("Any", SimpleNamespace())
    found = (about(0, 9), about(240, 250), about(100, 120), about(0, 250), about(0, 250, face=face, faces=2))
    small = about(0, 250, faces=0, trained_face=9)
    said = [sentence for each in (*found, small) for sentence in problems_of(each, 128, None, 0.71, want_face=True)]
    copies = ("nearly the same picture as", "the same picture as", "mirrored, nearly the same picture as")
    return [*said, *(f"{copy} a.png, which is the better one" for copy in copies)]


def reasons() -> list[str]:
    def candidate(step: int, is_average: bool, identity: float = 0.8, loss: float = 0.2) -> Any:
        scores = {"identity": identity, "prompt_fidelity": 0.9, "harmonic": 0.85}
        return SimpleNamespace(step=step, is_average=is_average, scores=scores, loss=loss)

    def run(held_out: int, steps: int = 10) -> Any:
        plan = SimpleNamespace(steps=steps, patience=2, least_gain=0.01)
        return SimpleNamespace(held_out=held_out, plan=plan, split=SimpleNamespace(held_out=held_out))

    first, last, unlike = candidate(8, False), candidate(24, True), candidate(16, False, identity=0.3)
    settled: Any = SimpleNamespace(evaluations=[(8, 0.2), (16, 0.2), (24, 0.2)], best_evaluation=(8, 0.2), step=24)
    done: Any = SimpleNamespace(evaluations=[], best_evaluation=None, step=10)
    said = [_reason_to_stop(run(held_out), state) or "" for held_out in (0, 2) for state in (settled, done)]
    for held_out in (0, 2):
        said += [_reason(first, last, run(held_out), False), _reason(last, last, run(held_out), True)]
        said += [_reason(unlike, last, run(held_out), False), _reason(unlike, unlike, run(held_out), True)]
        said.append(_least_loss(run(held_out), [first, last]).reason)
    said.append(_least_loss(run(2), [candidate(8, False, loss=math.nan)]).reason)
    components = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32)
    plan = resolve(TrainSettings(name="ana-1"), RECIPES["retrato"], 20)
    extended: Any = SimpleNamespace(plan=plan, components=components, latent_cells=256)
    said += [still_best(first, last, False), still_best(unlike, last, False), still_best(unlike, last, True)]
    said += [extension(extended, 10, unlike).reason, *(after_extension(10, each) for each in said[:2])]
    said.append("steps skipped, as their loss was not a number: 1 of 9")
    return [*said, captions_hint(["", ""], ["a photo of [name], [filewords]"])]


def test_all_that_the_library_says_is_said_in_portuguese() -> None:
    for sentence in (*advice(), *problems(), *reasons()):
        said = spoken(SITE, sentence)
        assert said != sentence
        assert not ENGLISH & set(said.lower().replace(",", " ").replace(":", " ").split()), said


def test_no_sentence_stands_in_the_table_that_the_library_does_not_say() -> None:
    said = {spoken(SITE, sentence)[:12] for sentence in (*advice(), *problems(), *reasons())}
    for _, portuguese in SENTENCES:
        start = portuguese.partition("{}")[0][:12]
        assert any(each.startswith(start) for each in said), portuguese


def test_names_and_figures_stay() -> None:
    assert spoken(SITE, "small: 90x60 pixels, less than the 128 it will be trained at").startswith("pequena: 90x60")
    assert spoken(
        SITE, "Look at a.png, b.png, c.png, d.png and 2 more: drop or replace what does not show the person well."
    ).startswith("Olhe de novo a.png, b.png, c.png, d.png e mais 2:")
    assert spoken(SITE, "Nobody knows this sentence.") == "Nobody knows this sentence."
    assert spoken(Site(SITE.service, "en"), "all 24 steps are done") == "all 24 steps are done"


@pytest.mark.parametrize(
    ("option", "english", "portuguese"),
    [
        ("--overwrite", "“Replace the one of this name”", "“Substituir quem tem este nome”"),
        ("--mask-invert", "“Change the rest instead”", "“Mudar o resto”"),
        ("--wildcards all, or", "“Wildcards: each of them”, or", "“Curingas: cada uma delas”, or"),
        ("--batch_size", "“Batch size”", "“Tamanho do lote”"),
        ("--hires_sampler", "hires_sampler", "hires_sampler"),
        ("--resume", "“Go on”", "“Continuar”"),
        ("--dtype float32", "retrato serve --dtype float32", "retrato serve --dtype float32"),
        ("--out", "--out", "--out"),
    ],
)
def test_options_are_called_what_they_are_on_the_page(option: str, english: str, portuguese: str) -> None:
    assert spoken(Site(SITE.service, "en"), f"use {option}") == f"use {english}"
    assert spoken(SITE, f"use {option}") == f"use {portuguese}"


def test_the_librarys_own_sentence_names_the_control(tmp_path: Path) -> None:
    with pytest.raises(PromptError) as refused:
        WildcardFolder(tmp_path).entries("hats")
    assert spoken(SITE, str(refused.value)).endswith("escreva a lista, ou desenhe com “Curingas: texto puro”")
