"""Errors of drawing in Portuguese; that each row is said by the library is shown in `test_spoken_errors`."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.errors import PromptError, SettingsError
from retrato.prompts import parse_attention
from retrato.sampling.samplers import find_sampler
from retrato.server.web.site import Site
from retrato.server.web.spoken import spoken
from retrato.server.web.spoken_drawing import OF_DRAWING

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")


def test_no_sentence_stands_twice() -> None:
    assert len({english for english, _ in OF_DRAWING}) == len(OF_DRAWING)


def test_what_is_wrong_with_a_prompt_is_said_in_portuguese() -> None:
    with pytest.raises(PromptError) as error:
        parse_attention("(" * 500 + "hat")
    assert spoken(SITE, str(error.value)).startswith("o parêntese no caractere ")


def test_a_schedule_that_there_is_not_is_said_of_its_control() -> None:
    with pytest.raises(SettingsError) as error:
        find_sampler("Euler", "fast")
    assert spoken(SITE, str(error.value)).startswith("“Escala de ruído” é 'fast': você quis dizer Karras?")
