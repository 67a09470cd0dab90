"""What settings are called: something in both languages, for every control, and nothing that there is not."""

from retrato.server.web import draw, train
from retrato.server.web.fields import CHOICES, FIELDS, IN_TRAINING
from retrato.settings import GenerateSettings, TrainSettings


def test_every_control_has_its_name_and_description_in_both() -> None:
    for kind, names in ((GenerateSettings, draw.NAMES), (TrainSettings, train.NAMES)):
        for name in names:
            assert kind.model_fields[name].description
            assert all(text.strip() for text in FIELDS[name])


def test_what_means_something_else_in_training_is_a_setting_there() -> None:
    assert IN_TRAINING.keys() <= TrainSettings.model_fields.keys()
    assert all(text.strip() for text in (*IN_TRAINING.values(), *CHOICES.values()))
