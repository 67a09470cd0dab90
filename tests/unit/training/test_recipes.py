import dataclasses
import math

import pytest

from retrato.errors import PromptError, SettingsError
from retrato.settings import MOST_STEPS, TrainSettings
from retrato.training.pick import pictures_needed
from retrato.training.rate_schedule import rate_at
from retrato.training.recipes import RECIPES, check_choices, resolve


def settings(**values: object) -> TrainSettings:
    return TrainSettings(name="ana-t1", **values)


def test_recipe_a1111_is_what_its_train_tab_did() -> None:
    recipe = RECIPES["a1111"]
    assert (recipe.learning_rate, recipe.rate_is_relative, recipe.batch_size) == (0.005, False, 1)
    assert (recipe.weight_decay, recipe.betas, recipe.norm_cap) == (0.0, (0.9, 0.999), None)
    assert (recipe.timesteps, recipe.patience) == ("uniform", None)
    plan = resolve(settings(recipe="a1111"), recipe, 20)
    assert {plan.rate(step) for step in (0, 1, 15_000, 29_999)} == {0.005}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_gives_a_plan_that_scores_at_most_a_hundred_pictures(name: str) -> None:
    plan = resolve(settings(recipe=name), RECIPES[name], 20)
    assert plan.recipe == name
    assert pictures_needed(plan.pick) <= 100
    assert plan.held_out == 4
    assert any(prompt.shows_identity for prompt in plan.pick.prompts[: plan.pick.rounds[0]])
    assert all("[name]" in template for template in plan.templates)
    assert all("[name]" in prompt.text for prompt in plan.pick.prompts)


def test_extra_steps_are_at_the_last_rate_and_both_comparisons_together_draw_at_most_a_hundred_pictures() -> None:
    plan = resolve(TrainSettings(name="ana-1"), RECIPES["retrato"], 20)
    longer = plan.extended()
    assert plan.extra_steps
    assert (longer.steps, longer.extra_steps) == (plan.steps + plan.extra_steps, 0)
    assert [longer.rate(step) for step in (0, plan.steps, longer.steps - 1)] == [plan.rate(plan.steps - 1)] * 3
    class_words = plan.pick.rounds[-1]  # the second comparison takes the first one's
    assert pictures_needed(plan.pick) + pictures_needed(longer.pick) - class_words <= 100


@pytest.mark.parametrize("own", [{"steps": 250}, {"learning_rate": "0.005"}])
def test_whoever_says_how_long_or_how_fast_gets_no_extra_steps(own: dict[str, object]) -> None:
    assert resolve(TrainSettings(name="ana-1", **own), RECIPES["retrato"], 20).extra_steps == 0


def test_settings_replace_the_recipes_choices() -> None:
    asked = settings(steps=40, batch_size=3, evaluate_every=7, save_every=9, held_out=2, latent_sampling="random")
    plan = resolve(asked, RECIPES["retrato"], 20)
    assert (plan.steps, plan.batch_size, plan.evaluate_every, plan.save_every, plan.held_out) == (40, 3, 7, 9, 2)
    assert plan.latent_sampling == "random"


def test_a_rate_warms_up_and_decays_where_the_recipe_says_so() -> None:
    recipe = dataclasses.replace(RECIPES["retrato"], warm_up=20, final_rate=0.1)
    plan = resolve(settings(steps=100), recipe, 20)
    rates = [plan.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(plan.rates[0][0] / plan.warm_up)
    assert max(rates) == rates[plan.warm_up - 1]
    assert rates[plan.warm_up :] == sorted(rates[plan.warm_up :], reverse=True)
    assert rates[-1] == pytest.approx(plan.rates[0][0] * plan.final_rate, rel=0.1)


def test_a_rate_of_ones_own_is_absolute_and_ends_training_where_its_schedule_ends() -> None:
    plan = resolve(settings(steps=1000, learning_rate="0.005:10, 1e-3:40"), RECIPES["retrato"], 20)
    assert not plan.rate_is_relative
    assert plan.steps == 40
    assert [plan.rate(step) for step in (0, 9, 10, 39, 40)] == [0.005, 0.005, 0.001, 0.001, 0.0]


def test_an_empty_rate_is_the_recipes_own() -> None:
    assert resolve(settings(learning_rate=""), RECIPES["retrato"], 20) == resolve(settings(), RECIPES["retrato"], 20)


@pytest.mark.parametrize("rate", ["-0.1", "nan", "inf", "0.1:5, -1"])
def test_refuses_rates_that_teach_nothing(rate: str) -> None:
    with pytest.raises(SettingsError, match="from 0 up"):
        resolve(settings(learning_rate=rate), RECIPES["retrato"], 20)


@pytest.mark.parametrize(("photos", "held_out"), [(3, 0), (4, 0), (5, 1), (12, 2), (20, 4)])
def test_a_fifth_is_held_out_and_three_remain(photos: int, held_out: int) -> None:
    plan = resolve(settings(), RECIPES["retrato"], photos)
    assert plan.held_out == held_out
    assert photos - plan.held_out >= 3


def test_refuses_to_hold_out_too_many_photos() -> None:
    with pytest.raises(SettingsError, match="held_out is 3 of 5 photos"):
        resolve(settings(held_out=3), RECIPES["retrato"], 5)


def test_what_no_photos_can_mend_is_found_without_any() -> None:
    check_choices(settings(held_out=100), RECIPES["retrato"])
    for wrong in ({"learning_rate": "abc"}, {"gradient_clip": "x"}, {"template": "nowhere.txt"}):
        with pytest.raises((SettingsError, PromptError)):
            check_choices(settings(**wrong), RECIPES["retrato"])


@pytest.mark.parametrize(("photos", "held_out", "most"), [(7, None, 6), (7, 0, 7), (7, 4, 3), (20, None, 16)])
def test_a_batch_is_never_larger_than_what_is_trained_on_and_accumulation_multiplies_it(
    photos: int, held_out: int | None, most: int
) -> None:
    plan = resolve(settings(batch_size=64, gradient_accumulation=2, held_out=held_out), RECIPES["retrato"], photos)
    assert plan.batch_size == most
    assert plan.samples_per_step == 2 * most


def test_templates_come_from_a_file_or_a_name(tmp_path: object) -> None:
    assert resolve(settings(template="name_filewords"), RECIPES["retrato"], 7).templates == ("[name] [filewords]",)
    with pytest.raises(PromptError):
        resolve(settings(template="nowhere.txt"), RECIPES["retrato"], 7)


def test_rates_are_finite_for_a_single_step() -> None:
    plan = resolve(settings(steps=1), RECIPES["retrato"], 7)
    assert math.isfinite(plan.rate(0))
    assert plan.rate(0) > 0


def test_the_gradients_limit_is_a_number_or_a_schedule() -> None:
    def clips(text: object) -> tuple[tuple[float, int], ...]:
        return resolve(TrainSettings(name="a", steps=100, gradient_clip=text), RECIPES["retrato"], 8).gradient_clips

    assert clips(None) == ()
    assert clips(0.5) == clips("0.5") == ((0.5, MOST_STEPS),)
    assert clips("1:10, 0.1") == ((1.0, 10), (0.1, MOST_STEPS))
    for text in ("0", "-1", "a", "1:10, 0", "inf", "", "0,1"):
        with pytest.raises(SettingsError, match=f"gradient_clip is '{text}': write a number above 0, or pairs of"):
            clips(text)


def test_the_gradients_limit_never_ends() -> None:
    """Not with its schedule, as in A1111, and not where a training goes on beyond its steps."""
    extended = resolve(settings(gradient_clip="1:100, 0.5:300, 0.1"), RECIPES["retrato"], 20).extended()
    limits = [rate_at(extended.gradient_clips, step) for step in (0, 249, 299, 300, extended.steps - 1)]
    assert (extended.steps, limits) == (600, [1.0, 0.5, 0.5, 0.1, 0.1])
    ended = resolve(settings(gradient_clip="1:100, 0.1:200", steps=1000), RECIPES["a1111"], 20)
    assert [rate_at(ended.gradient_clips, step) for step in (99, 199, 200, 999)] == [1.0, 0.1, 0.1, 0.1]
