import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
import typer
from typer.testing import CliRunner

from retrato.cli import options
from retrato.cli.options import from_settings, model_flags
from retrato.errors import SettingsError
from retrato.settings import Settings, option


class Garden(Settings):
    plant: str = option(..., "what grows")
    rows: int = option(3, "rows of it", ge=1, le=9)
    soil: Literal["sand", "loam"] = option("loam", "what it grows in [deep]", flag="--ground")
    depth: float | None = option(None, "how deep", gt=0)
    is_wet: bool = option(False, "water it")


def parameters_of(**how: Any) -> dict[str, inspect.Parameter]:
    @from_settings(Garden, **how)
    def dig(place: str, settings: Garden, fast: bool = False) -> None:
        raise AssertionError("only looked at")

    return dict(inspect.signature(dig).parameters)


def test_fields_become_options_where_settings_stood() -> None:
    parameters = parameters_of()
    assert list(parameters) == ["place", "plant", "rows", "soil", "depth", "is_wet", "fast", "context"]
    assert parameters["plant"].default is inspect.Parameter.empty
    assert parameters["rows"].default == 3
    (rows,) = parameters["rows"].annotation.__metadata__
    assert rows.default == "--rows"
    assert rows.help == "rows of it (1 to 9)"
    (soil,) = parameters["soil"].annotation.__metadata__
    assert soil.default == "--ground"
    assert soil.help == r"what it grows in \[deep]", "else rich would take it for markup"
    assert parameters["depth"].annotation.__metadata__[0].help == "how deep (above 0)"
    assert parameters["is_wet"].annotation.__metadata__[0].default == "--is-wet"


def test_a_field_can_be_positional() -> None:
    (plant,) = parameters_of(arguments=("plant",))["plant"].annotation.__metadata__
    assert type(plant).__name__ == "ArgumentInfo"


def test_the_command_gets_validated_settings() -> None:
    got = []

    @from_settings(Garden)
    def dig(settings: Garden, fast: bool = False) -> None:
        got.append((settings, fast))

    app = typer.Typer()
    app.command()(dig)
    app(["--plant", "oats", "--rows", "2", "--ground", "sand", "--is-wet", "--fast"], standalone_mode=False)
    assert got == [(Garden(plant="oats", rows=2, soil="sand", is_wet=True), True)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rows", "0"], "--rows is 0: input should be greater than or equal to 1"),
        (["--rows", "0", "--deep", "-1"], "--rows is 0: input should be greater than or equal to 1; --deep is -1.0: "),
        (["--deep", "2"], "the soil is_wet at 2.0"),
        (["--deep", "3", "--is-wet"], "--is-wet and --deep were given together"),
        (["--deep", "3"], "is_wet and --deep were given together"),
        (["--deep", "4"], "rows is 3, too many"),
    ],
)
def test_errors_name_the_flags_that_were_given(arguments: list[str], says: str) -> None:
    class Bed(Garden):
        depth: float | None = option(None, "how deep", flag="--deep", gt=0)

    @from_settings(Bed, arguments=("plant",))
    def dig(settings: Bed) -> None:
        sentences = {
            2: f"the soil is_wet at {settings.depth}",
            3: "is_wet and depth were given together",
            4: "rows is 3, too many",
        }
        raise SettingsError(sentences[int(settings.depth or 0)], field="depth")

    app = typer.Typer()
    app.command()(dig)
    with pytest.raises(SettingsError) as refused:
        app(["oats", *arguments], standalone_mode=False)
    assert str(refused.value).startswith(says)
    assert refused.value.field in ("rows", "depth")


def test_what_an_option_stands_for_is_told_what_else_is_given() -> None:
    got = []

    def as_before(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
        got.append((source, dict(given)))
        return {"plant": source, "rows": 5, "soil": "sand"}

    app = typer.Typer()

    @app.command()
    @from_settings(Garden, base=("source", as_before))
    def dig(settings: Garden, given: frozenset[str], source: str | None = None) -> None:
        got.append((settings, given))

    app(["--source", "oats", "--rows", "2"], standalone_mode=False)
    assert got == [("oats", {"rows": 2}), (Garden(plant="oats", rows=2, soil="sand"), frozenset({"rows"}))]


def test_windows_takes_no_more_processes_than_it_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_windows, most in ((False, 64), (True, 61)):
        monkeypatch.setattr("retrato.files.WINDOWS", is_windows)
        spec = importlib.util.spec_from_file_location("options_there", options.__file__)
        assert spec is not None
        assert spec.loader is not None
        there = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(there)
        assert get_args(there.Processes)[1].max == most


def test_what_is_on_can_be_switched_off() -> None:
    class Lamp(Settings):
        is_lit: bool = option(True, "shine")

    app, said = typer.Typer(), []

    @app.command()
    @from_settings(Lamp)
    def turn(settings: Lamp) -> None:
        said.append(settings.is_lit)

    for arguments in ([], ["--is-lit"], ["--no-is-lit"]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert said == [True, True, False]


def test_another_command_is_told_the_same_model() -> None:
    assert model_flags("mini") == ""
    assert model_flags("my models/sd2.ckpt", "sd2-v", Path("x.vae.pt")) == (
        ' --model "my models/sd2.ckpt" --family sd2-v --vae x.vae.pt'
    )
