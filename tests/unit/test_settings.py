"""Values are checked once, with a sentence that names the setting; what is trusted afterwards cannot change."""

import pickle
from typing import get_args

import pytest
from pydantic import ValidationError

from retrato.errors import SettingsError
from retrato.settings import (
    GenerateSettings,
    HypernetworkSettings,
    PhotoSettings,
    ServerSettings,
    Settings,
    TrainSettings,
    parse_size,
)

KINDS: tuple[type[Settings], ...] = (PhotoSettings, TrainSettings, GenerateSettings)


def test_defaults_are_the_documented_ones() -> None:
    train = TrainSettings(name="ana")
    assert (train.initializer_text, train.vectors_per_token, train.recipe, train.seed) == ("person", 3, "retrato", 0)
    draw = GenerateSettings(prompt="a cat")
    assert (draw.sampler, draw.steps, draw.count, draw.guidance_scale, draw.width) == ("Euler a", 20, 1, None, None)
    assert PhotoSettings().size == 512


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (GenerateSettings, {"prompt": "x", "steps": 0}, "steps is 0: input should be greater than or equal to 1"),
        (GenerateSettings, {"prompt": "x", "steps": 151}, "steps is 151: "),
        (GenerateSettings, {"prompt": "x", "width": 100}, "width is 100: input should be a multiple of 8"),
        (GenerateSettings, {"prompt": "x", "guidance_scale": float("nan")}, "guidance_scale is nan: "),
        (GenerateSettings, {"prompt": "x", "stepps": 3}, "there is no setting called stepps"),
        (GenerateSettings, {"prompt": "x", "seed": 2**63 - 2, "count": 5}, "goes beyond 2**63 - 1"),
        (GenerateSettings, {"prompt": "x", "hires_resize": "64x64"}, "hires_resize is '64x64', but there is no second"),
        (GenerateSettings, {"prompt": "x", "hires_resize": "big"}, "hires_resize is 'big': write width and height in"),
        (GenerateSettings, {"prompt": "x", "seed_resize_from": "99999x64"}, "must be 10 to 9999 pixels"),
        (GenerateSettings, {"prompt": "x", "hires_prompt": "y"}, "hires_prompt is 'y', but there is no second pass"),
        (GenerateSettings, {"prompt": "x", "tiling": True, "engine": "openvino"}, "tiles are drawn by torch alone"),
        (TrainSettings, {}, "name is "),
        (TrainSettings, {"name": ""}, "name is ''"),
        (TrainSettings, {"name": "ana", "vectors_per_token": 76}, "vectors_per_token is 76: "),
        (TrainSettings, {"name": "ana", "recipe": "kohya"}, "recipe is 'kohya': input should be 'retrato' or 'a1111'"),
        (TrainSettings, {"name": "ana", "preview_prompt": "[name]"}, "preview_prompt is '[name]', but there are"),
        (TrainSettings, {"name": "ana", "preview_cards": True, "preview_every": 0}, "preview_cards is True, but there"),
        (HypernetworkSettings, {"name": "ana", "preview_prompt": "x"}, "no previews: add --preview-every"),
        (TrainSettings, {"name": "ana", "gradient_clip_by": "value"}, "no limit: add --gradient-clip"),
        (PhotoSettings, {"crop": "nose"}, "crop is 'nose': "),
    ],
)
def test_a_bad_value_is_named_in_one_sentence(kind: type[Settings], values: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        kind(**values)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sizes() -> None:
    assert parse_size("512x768") == parse_size(" 512 X 768 ") == (512, 768)
    for wrong in ("512", "x", "512x", "-1x2", "1.5x2", ""):
        with pytest.raises(ValueError, match="such as 512x768"):
            parse_size(wrong)
    for written in ("512X768", " 512 × 768"):
        draw = GenerateSettings(prompt="x", hires=True, hires_resize=written, seed_resize_from=written)
        assert draw.hires_resize == draw.seed_resize_from == "512x768"


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"steps is 0: .*; count is 0: "):
        GenerateSettings(prompt="x", steps=0, count=0)


def test_an_error_knows_the_first_field_that_it_is_about() -> None:
    for values, field in (
        ({"prompt": "x", "styles": ["a", 3]}, "styles"),
        ({"prompt": "x", "width": 100, "count": 0}, "width"),
        ({"prompt": "x", "seed": 2**63 - 2, "count": 5}, ""),
    ):
        with pytest.raises(SettingsError) as caught:
            GenerateSettings(**values)
        assert caught.value.field == field
    assert pickle.loads(pickle.dumps(SettingsError("no", field="steps"))).field == "steps"


def test_settings_are_frozen_and_a_changed_copy_is_checked_again() -> None:
    settings = GenerateSettings(prompt="x", seed=5)
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 6  # type: ignore[misc]
    changed = settings.changed(seed=6)
    assert (settings.seed, changed.seed, changed.prompt) == (5, 6, "x")
    with pytest.raises(SettingsError, match="seed is -2"):
        settings.changed(seed=-2)


def test_every_description_is_one_line_and_every_flag_is_one_option() -> None:
    for kind in KINDS:
        flags = set()
        for name, field in kind.model_fields.items():
            description = field.description or ""
            assert 0 < len(description) <= 100, f"{kind.__name__}.{name}"
            assert not description.endswith("."), f"{kind.__name__}.{name}"
            assert "\n" not in description
            extra = field.json_schema_extra
            flag = str(extra["flag"]) if isinstance(extra, dict) else f"--{name.replace('_', '-')}"
            assert flag.startswith("--")
            assert flag not in flags, f"{flag} twice in {kind.__name__}"
            flags.add(flag)


@pytest.mark.parametrize("kind", [*KINDS, HypernetworkSettings, ServerSettings])
def test_every_number_has_a_least_and_a_most(kind: type[Settings]) -> None:
    for name, field in kind.model_fields.items():
        wanted = set(get_args(field.annotation)) | {field.annotation}
        bounds = {bound for each in field.metadata for bound in ("ge", "gt", "le", "lt") if hasattr(each, bound)}
        if wanted & {int, float}:
            assert bounds & {"ge", "gt"}, name
            assert bounds & {"le", "lt"}, name


def test_every_choice_is_shown_by_the_type() -> None:
    field = TrainSettings.model_fields["recipe"]
    assert get_args(field.annotation) == ("retrato", "a1111")


@pytest.mark.parametrize("kind", [TrainSettings, HypernetworkSettings])
def test_a_name_is_composed(kind: type[TrainSettings] | type[HypernetworkSettings]) -> None:
    """Folders from a Mac have decomposed names, and nobody in the library is called so."""
    assert kind(name="joa\u0303o-1").name == "jo\u00e3o-1"
    assert len(kind(name="a\u0303" * 64).name) == 64
    with pytest.raises(SettingsError, match="name is 3: "):
        kind(name=3)
