import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.sealed import learn_together
from retrato.errors import ModelError, SettingsError
from retrato.evaluation import Compared, Measured, Started, evaluate
from retrato.evaluation.judging import Court
from retrato.evaluation.protocol import _Checkpoint, _Learned, _on_the_curve
from retrato.settings import EvaluateSettings
from retrato.studio import Studio
from retrato.training import Extended, Finished, Stepped, train
from tests.unit.training.conftest import ColourScorer


@pytest.fixture
def settings(prompt_file: Path) -> EvaluateSettings:
    return EvaluateSettings(prompts=str(prompt_file), samples=8, quick=True)


def test_everyone_is_learned_by_every_recipe_and_judged(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    events = list(evaluate(studio, people, settings.changed(recipes="retrato,a1111"), out=tmp_path / "out"))
    started = [(event.person, event.recipe) for event in events if isinstance(event, Started)]
    assert started == [("ana", "retrato"), ("ana", "a1111"), ("rui", "retrato"), ("rui", "a1111")]
    measured = [event for event in events if isinstance(event, Measured)]
    for one in measured:
        assert one.samples == 8
        assert one.intervals.keys() == one.scores.keys() == {"identity", "prompt_fidelity", "harmonic"}
        assert all(low <= high for low, high in one.intervals.values())
        assert one.rank1 in (0.0, 1.0)
        assert one.satisfied in (0.0, 1.0)
        assert one.diversity is None
        assert [file.is_file() for file in one.pictures] == [True, True]
    compared = events[-1]
    assert isinstance(compared, Compared)
    assert [one.recipe for one in compared.summaries] == ["retrato", "a1111"]
    assert compared.class_word_rank1 == 0.5  # of two people, the class word's picture is always one of them
    record = json.loads(compared.record.read_text())
    assert record["facts"]["photos_judged_by"] == 2
    assert {name: len(files) for name, files in record["facts"]["judged_by"].items()} == {"ana": 2, "rui": 2}
    assert record["facts"]["judge_hash"]
    assert record["facts"]["versions"]["torch"] == torch.__version__
    assert len(record["measured"]) == 4
    page = compared.report.read_text()
    assert page.count("<img") == 8
    assert "a1111 minus retrato" in page
    assert studio.library.names == []
    for run in (tmp_path / "out").rglob("run.json"):
        assert len(json.loads(run.read_text())["photos"]) == 6, "the two that judge are no part of the run"


def test_a_judge_with_the_weights_of_the_models_own_scorer_is_no_judge_of_its_own(
    studio: Studio, people: Path, settings: EvaluateSettings, scorer: ColourScorer, tmp_path: Path
) -> None:
    other = ColourScorer()
    other.hash = "another"
    for judge, words in ((ColourScorer(), "also stops and picks"), (other, "of its own")):
        *_, compared = evaluate(studio, people / "ana", settings, out=tmp_path / words, judge=judge)
        assert isinstance(compared, Compared)
        assert words in compared.judge


def test_curves_of_checkpoints_and_weights(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    """One training with everything; the model is afterwards what it was, so the class word draws as before."""
    modules = studio.components.modules
    before = [weight.clone() for module in modules for weight in module.state_dict().values()]
    thorough = settings.changed(quick=False, pictures_per_prompt=2)
    (one,) = (e for e in evaluate(studio, people / "ana", thorough, out=tmp_path / "out") if isinstance(e, Measured))
    assert [point.at for point in one.learning] == [4, 8]
    assert one.learning[0].seconds <= one.learning[1].seconds
    assert [point.at for point in one.weights] == [0.6, 0.8, 1.0, 1.2, 1.4]
    assert one.regret is not None
    assert one.regret >= 0
    assert one.area is not None
    obedient = [point.scores["identity"] for point in one.weights if point.scores["prompt_fidelity"] >= 0.9]
    assert one.obedient == (max(obedient) if obedient else None)
    assert one.rank1 is None, "there is nobody else to be taken for"
    assert len(one.pictures) == 4
    assert one.diversity is not None
    assert one.diversity > 0
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "Editability" in page
    assert page.count("<svg") == 2
    after = [weight for module in modules for weight in module.state_dict().values()]
    assert all(torch.equal(weight, other) for weight, other in zip(before, after, strict=True))


def test_who_stops_listening_leaves_what_was_learned(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    events = evaluate(studio, people, settings, out=tmp_path / "out")
    for event in events:
        if isinstance(event, Finished):
            break
    events.close()
    assert event.file.is_file()
    assert not (tmp_path / "out/evaluation.json").exists()


def test_what_was_cut_off_goes_on_to_the_same_figures(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, whole = evaluate(studio, people, settings, out=tmp_path / "whole")
    events = evaluate(studio, people, settings, out=tmp_path / "out")
    for event in events:
        if isinstance(event, Finished) and "rui" in event.file.parts:
            break
    events.close()
    *told, compared = evaluate(studio, people, settings, out=tmp_path / "out", resume=True)
    assert sum(isinstance(event, Finished) for event in told) == 1, "ana was measured already"
    assert isinstance(compared, Compared)
    assert isinstance(whole, Compared)
    assert [one.scores for one in compared.measured] == [one.scores for one in whole.measured]
    assert compared.summaries[0].intervals == whole.summaries[0].intervals
    with pytest.raises(SettingsError, match="has other settings"):
        list(evaluate(studio, people, settings.changed(seed=5), out=tmp_path / "out", resume=True))
    monkeypatch.setattr(Court, "open", lambda *_: pytest.fail("this takes minutes, and comes after"))
    with pytest.raises(SettingsError, match="holds no evaluation"):
        list(evaluate(studio, people, settings, out=people, resume=True))


def test_a_training_that_was_cut_off_goes_on_from_its_last_checkpoint(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    thorough = settings.changed(quick=False)
    *_, whole, _ = evaluate(studio, people / "ana", thorough, out=tmp_path / "whole")
    events = evaluate(studio, people / "ana", thorough, out=tmp_path / "out")
    spent: dict[int, float] = {}
    while 3 not in spent:
        if isinstance(event := next(events), Stepped):
            spent[event.step] = event.seconds
    events.close()
    (clock,) = (tmp_path / "out").glob("ana/*/clock.json")
    assert json.loads(clock.read_text()) == {"2": spent[2], "3": spent[3]}
    *told, one, _ = evaluate(studio, people / "ana", thorough, out=tmp_path / "out", resume=True)
    assert [event.step for event in told if isinstance(event, Stepped)] == [4]
    assert isinstance(one, Measured)
    assert isinstance(whole, Measured)
    assert one.scores == whole.scores
    assert [point.scores for point in one.learning] == [point.scores for point in whole.learning]
    assert one.learning[0].seconds == spent[2] < one.seconds, "the clock goes on too"


def test_people_learned_in_one_batch_are_judged_by_the_evaluation_that_goes_on(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    thorough = settings.changed(quick=False)
    judge = ColourScorer()
    learn_together(studio, people, thorough, "retrato", out=tmp_path / "out", judge=judge)
    *told, compared = evaluate(studio, people, thorough, out=tmp_path / "out", judge=judge, resume=True)
    assert not any(isinstance(event, Stepped) for event in told), "they have learned already"
    assert isinstance(compared, Compared)
    assert [[point.at for point in one.learning] for one in compared.measured] == [[4, 8], [4, 8]]
    assert all(0 < one.learning[0].seconds < one.seconds for one in compared.measured)
    names = {one.embedding.name.partition("-")[2][0] for one in compared.measured}
    assert names == {"1", "2"}, "a batch tells people apart by the name"


def test_what_is_wrong_is_said_before_anything_is_learned(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="not an empty folder"):
        next(evaluate(studio, people, settings, out=people))
    studio.__dict__["scorer"] = None
    with pytest.raises(ModelError, match="brings no scorer"):
        next(evaluate(studio, people, settings, out=tmp_path / "out"))
    with pytest.raises(SettingsError, match="there is no recipe 'kohya': take retrato or a1111"):
        EvaluateSettings(recipes="retrato,kohya")
    with pytest.raises(SettingsError, match="name each recipe once"):
        EvaluateSettings(recipes="retrato, retrato")


def test_seconds_go_on_where_training_does(
    studio: Studio, people: Path, settings: EvaluateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extra steps have a clock of their own; whoever learns with them is no faster for it."""

    def with_extra_steps(*given: object, **more: object) -> Iterator[object]:
        for event in train(*given, **more):  # type: ignore[arg-type]
            if isinstance(event, Stepped) and event.step == 3:
                yield Extended(4, "little likeness", 0.5)
            yield (
                dataclasses.replace(event, seconds=10.0 - 4 * (event.step > 2)) if isinstance(event, Stepped) else event
            )

    monkeypatch.setattr("retrato.evaluation.protocol.train", with_extra_steps)
    thorough = settings.changed(quick=False)
    (one,) = (e for e in evaluate(studio, people / "ana", thorough, out=tmp_path / "out") if isinstance(e, Measured))
    assert [point.seconds for point in one.learning] == [10.0, 16.0]
    assert one.pick_seconds > 0
    assert one.anybody is not None
    assert one.themselves is not None


@pytest.mark.parametrize(
    ("count", "picked", "found"), [(3, 2, [1, 2, 3]), (20, 4, [*range(1, 21)]), (60, 60, None), (60, 2, None)]
)
def test_a_curve_has_no_more_points_than_show(count: int, picked: int, found: list[int] | None) -> None:
    checkpoints = tuple(_Checkpoint(Path(str(step)), 500 * step, float(step)) for step in range(1, count + 1))
    learned = _Learned(Path(), count, 500 * count, 500 * picked, 0.0, 0.0, checkpoints)
    shown = [int(checkpoint.file.name) for checkpoint in _on_the_curve(learned)]
    assert shown == (found or sorted({*shown, 1, picked, 60}))
    assert len(shown) <= 21
    assert max(later - earlier for earlier, later in itertools.pairwise(shown)) <= 4
