"""What the page says of a training at each point of its way."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.jobs import Job
from retrato.server.web.site import Site
from retrato.server.web.train import NAMES, OF_A_WORD, duration, run_of
from retrato.server.web.watching import Checkpoint, Watched
from retrato.settings import HypernetworkSettings, TrainSettings

SITE = Site(cast("Any", SimpleNamespace()), "en")


def job(state: Any, **more: Any) -> Job:
    return Job(
        "0" * 16, "train", "local", state, {"name": "ana<b>", "vectors_per_token": 3}, {}, 0.5, False, 0.0, **more
    )


def test_all_that_a_word_can_be_learned_with_can_be_said() -> None:
    assert set(TrainSettings.model_fields) - set(NAMES) == {"track"}  # files for another program, beside the run
    assert set(NAMES) - set(HypernetworkSettings.model_fields) == set(OF_A_WORD)


def test_with_nobody_learned_it_says_what_to_do() -> None:
    assert "press Learn" in run_of(SITE, None, Watched())


def test_while_it_runs_it_says_how_far_and_how_long() -> None:
    seen = Watched("j", 9, 10, 100, loss=((1, 0.5), (10, 0.4)))
    page = run_of(SITE, job("running"), seen, 180.0)
    assert "Step 10 of at most 100 · at most 3 min left" in page
    assert "<svg" in page
    assert "ana&lt;b&gt;" in page
    compares = run_of(SITE, job("running"), replace(seen, compares=True), 44.0)
    assert f"{SITE('train.compares')} · at most 44 s left" in compares
    assert "left" not in run_of(SITE, job("running"), seen), "before anybody knows"
    surprised = run_of(SITE, job("running"), replace(seen, surprises=("preview prompt, character 1: <b> is text",)))
    assert "Preview prompt, character 1: &lt;b&gt; is text" in surprised


def test_while_it_goes_on_after_all_steps_it_says_so_and_how_far_it_is() -> None:
    compared = (Checkpoint(250, 0.1, {"identity": 0.4}),)
    seen = Watched("j", 9, 300, 600, extended="the likeness is little", checkpoints=compared)
    page = run_of(SITE, job("running"), seen)
    assert "The likeness is little" in page
    assert "300" in page
    assert "600" in page
    assert SITE("train.compares") not in page
    assert SITE("train.compares") in run_of(SITE, job("running"), replace(seen, compares=True))


def test_in_the_end_it_shows_the_pick_and_why() -> None:
    found = (
        Checkpoint(20, 0.5, {"identity": 0.81, "prompt_fidelity": 0.7, "harmonic": 0.75}, 7, 1),
        Checkpoint(40, 0.4),
    )
    seen = Watched("j", 9, 40, 100, checkpoints=found, picked=20, reason="it is the best", stop_reason="nothing gained")
    page = run_of(SITE, job("done"), seen)
    assert "Step 20 is kept." in page
    assert "It is the best" in page
    assert "nothing gained" in page
    assert "write ana&lt;b&gt; in a prompt" in page
    assert "identity 0.81" in page
    assert page.count('class="picked"') == 1
    assert "step 40" not in page  # it was not drawn with
    assert f'src="/web/candidates/{"0" * 16}/7/0"' in page


def test_a_name_is_said_as_a_prompt_takes_it() -> None:
    named = replace(job("done"), settings={"name": "ana (1)", "vectors_per_token": 3})
    assert r"write ana \(1\) in a prompt" in run_of(SITE, named, Watched("j"))


def test_what_failed_is_said_in_the_librarys_sentence() -> None:
    assert "no space left" in run_of(SITE, job("failed", error="no space left"), Watched("j"))


@pytest.mark.parametrize(("seconds", "said"), [(4.4, "4 s"), (100, "2 min"), (5500, "1 h 32 min")])
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said
