"""Errors of learning in Portuguese; that each row is said by the library is shown in `test_spoken_errors`."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.errors import SettingsError
from retrato.server.web.site import Site
from retrato.server.web.spoken import spoken
from retrato.server.web.spoken_training import OF_TRAINING
from retrato.settings import TrainSettings
from retrato.training.prepare import training_size
from retrato.training.recipes import RECIPES, resolve

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")


def begin(said: Mapping[str, Any]) -> None:
    """Does with settings what a training does before it reads photos."""
    model: Any = SimpleNamespace(name="tiny", vae_scale=8, defaults=SimpleNamespace(size=64))
    settings = TrainSettings(name="ana-1", **said)
    training_size(model, settings)
    resolve(settings, RECIPES["retrato"], 20)


def test_no_sentence_stands_twice() -> None:
    assert len({english for english, _ in OF_TRAINING}) == len(OF_TRAINING)


@pytest.mark.parametrize(
    ("said", "portuguese", "field"),
    [
        (
            {"gradient_clip": "x"},
            "“Limite do gradiente” é 'x': escreva um número acima de 0, ou pares de limite e último passo como "
            "`1:100, 0.1`",
            "gradient_clip",
        ),
        (
            {"gradient_clip_by": "value"},
            "“Limitado por” é “valor”, mas o gradiente não tem limite: preencha “Limite do gradiente”",
            "",
        ),
        (
            {"preview_cards": True},
            "“Cartões das prévias” é True, mas não há prévias: preencha “Prévia a cada”",
            "",
        ),
        (
            {"buckets": True, "width": 64},
            "“Manter a forma de cada foto” não combina com “Largura” ou “Altura”: ou a forma de cada foto, ou uma só "
            "para todas",
            "",
        ),
        ({"width": 65}, "“Largura” é 65: tiny aprende com múltiplos de 8", "width"),
        (
            {"learning_rate": "0,005"},
            "a taxa de aprendizado '0,005' começa com 0: os decimais levam ponto, como em 0.005",
            "learning_rate",
        ),
    ],
)
def test_what_is_wrong_with_a_training_is_said_of_its_control(
    said: Mapping[str, Any], portuguese: str, field: str
) -> None:
    """Where an error does not know its field, the page takes its first word."""
    with pytest.raises(SettingsError) as error:
        begin(said)
    assert spoken(SITE, str(error.value)) == portuguese
    assert error.value.field == field
    assert field or str(error.value).split(" ", 1)[0] in said
