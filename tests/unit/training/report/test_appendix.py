import dataclasses
from collections.abc import Callable
from pathlib import Path

from retrato.settings import TrainSettings
from retrato.training.report.appendix import (
    _hypernetwork_elsewhere,
    about_scores,
    how_to_go_on,
    package_version,
    used_settings,
)
from retrato.training.report.record import read_record


def test_every_setting_is_listed_with_the_value_that_was_used(finished_run: Callable[..., Path]) -> None:
    rows = {name: value for name, value, _ in used_settings(read_record(finished_run()))}
    assert list(rows) == [name.replace("_", " ") for name in TrainSettings.model_fields]
    assert rows["seed"] == "3"
    assert rows["steps"] == "20"  # left open, so the plan's
    assert rows["template"] == "a photo of [name]"
    assert rows["gradient clip"] == "none"


def test_the_scores_are_explained_with_their_limits(finished_run: Callable[..., Path]) -> None:
    record = read_record(finished_run())
    assert "the 1 held-out photo," in about_scores(record)
    unscored = dataclasses.replace(record, picked=dataclasses.replace(record.picked, scores={}))
    assert "picked by loss alone" in about_scores(unscored)


def test_commands_are_quoted_for_the_shell(finished_run: Callable[..., Path]) -> None:
    record = dataclasses.replace(read_record(finished_run()), file=Path("/home/a b/ana.safetensors"))
    drawn = how_to_go_on(record, ["it's [ana | fox]"])
    assert "retrato generate &quot;it&#x27;s [ana | fox]&quot; --count 4<" in drawn, "all shells know double quotes"
    assert "retrato embeddings show &quot;/home/a b/ana.safetensors&quot;" in drawn
    there = Path("/home/a b/ana.safetensors")
    assert "convert &quot;/home/a b/ana.safetensors&quot; &quot;a b.pt&quot;<" in "".join(
        _hypernetwork_elsewhere(dataclasses.replace(record, file=there, name="a b"))
    )
    assert "--model" not in drawn
    assert "model/mini" in drawn


def test_what_was_learned_on_xl_goes_into_diffusers_one_text_encoder_at_a_time(
    finished_run: Callable[..., Path],
) -> None:
    record = read_record(finished_run())
    one = how_to_go_on(record, [])
    assert "pipe.load_textual_inversion(&#x27;" in one
    assert "StableDiffusionPipeline.from_pretrained" in one
    both = how_to_go_on(dataclasses.replace(record, numbers=record.vectors * (768 + 1280), dim=768), [])
    assert "StableDiffusionXLPipeline.from_pretrained" in both
    assert both.count("pipe.load_textual_inversion(vectors[") == 2


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert package_version("pillow")
    assert package_version("no-such-package-at-all") is None
