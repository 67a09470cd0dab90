import dataclasses

import pytest
import torch

from retrato.errors import HypernetworkError
from retrato.generation import Drawn, generate
from retrato.hypernetworks import Hypernetwork, Structure
from retrato.hypernetworks.structure import all_shapes
from retrato.model import Components
from retrato.model.attention import attention_widths, with_hypernetworks, with_networks
from retrato.settings import GenerateSettings

SETTINGS = GenerateSettings(prompt="a photo of a cat", steps=2, seed=1, count=2, sampler="Euler")


def hypernetwork(sizes: tuple[int, ...], seed: int = 0, scale: float = 0.3, name: str = "ana") -> Hypernetwork:
    source = torch.Generator().manual_seed(seed)
    structure = Structure()
    shapes = all_shapes(structure, sizes)
    return Hypernetwork(name, sizes, structure, tuple(scale * torch.randn(shape, generator=source) for shape in shapes))


def answer(components: Components) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    width = components.unet.config.cross_attention_dim
    with torch.no_grad():
        return components.unet(
            torch.randn(1, 4, 8, 8, generator=source),
            torch.tensor(300),
            encoder_hidden_states=torch.randn(1, 77, width, generator=source),
        ).sample


def draw(components: Components, prompt: str, *networks: Hypernetwork) -> list[bytes]:
    library = {each.name: each for each in networks}
    events = generate(components, SETTINGS.changed(prompt=prompt), {}, library)
    return [event.image.image.tobytes() for event in events if isinstance(event, Drawn)]


def test_widths_are_those_of_text_and_of_the_pictures(
    tiny_components: Components, tiny_xl_components: Components
) -> None:
    assert attention_widths(tiny_components.unet) == (32,)
    assert attention_widths(tiny_xl_components.unet) == (80, 32)


def test_keys_and_values_see_another_context_and_queries_do_not(tiny_components: Components) -> None:
    layer = next(module for name, module in tiny_components.unet.named_modules() if name.endswith("attn2"))
    hidden, context = torch.randn(1, 4, 32), torch.randn(1, 7, 32)
    one = hypernetwork((32,))
    key, value = (context + 0.5 * one.structure.apply(part, context) for part in one.networks.pair(32))
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        getattr(layer, name).register_forward_hook(lambda _, inputs, __, name=name: seen.update({name: inputs[0]}))
        for name in ("to_q", "to_k", "to_v")
    ]
    with torch.no_grad(), with_networks(tiny_components.unet, [(one.networks, 0.5)]):
        layer(hidden, encoder_hidden_states=context)
    for hook in hooks:
        hook.remove()
    assert torch.equal(seen["to_q"], hidden)
    assert torch.equal(seen["to_k"], key)
    assert torch.equal(seen["to_v"], value)


def test_several_chain_in_order(tiny_components: Components) -> None:
    one, other = hypernetwork((32,), 1), hypernetwork((32,), 2)
    answers = [
        answer(with_hypernetworks(tiny_components, chosen))
        for chosen in ([(one, 1.0), (other, 1.0)], [(other, 1.0), (one, 1.0)], [(one, 1.0)])
    ]
    assert not torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


def test_they_are_there_only_while_the_model_computes(tiny_components: Components) -> None:
    plain = answer(tiny_components)
    changed = with_hypernetworks(tiny_components, [(hypernetwork((32,)), 1.0)])
    assert not torch.equal(answer(changed), plain)
    assert torch.equal(answer(tiny_components), plain)
    assert changed.latent_channels == tiny_components.latent_channels
    assert not [hook for part in tiny_components.unet.modules() for hook in part._forward_pre_hooks]


def test_an_error_on_the_way_leaves_no_trace(tiny_components: Components) -> None:
    changed = with_hypernetworks(tiny_components, [(hypernetwork((32,)), 1.0)])
    with pytest.raises(RuntimeError):
        changed.unet(torch.zeros(1, 4, 8, 8), torch.tensor(1), encoder_hidden_states=torch.zeros(1, 7, 31))
    assert not [hook for part in tiny_components.unet.modules() for hook in part._forward_pre_hooks]


def test_strength_nothing_equals_none_bit_for_bit_and_removing_leaves_no_trace(tiny_components: Components) -> None:
    one = hypernetwork((32,))
    plain = draw(tiny_components, "a photo of a cat")
    assert draw(tiny_components, "a photo of a cat<hypernet:ana:0>", one) == plain
    assert draw(tiny_components, "a photo of a cat<hypernet:ana:1>", one) != plain
    assert draw(tiny_components, "a photo of a cat") == plain


def test_the_setting_does_what_the_tag_does_and_pictures_keep_it(tiny_components: Components) -> None:
    one = hypernetwork((32,))
    settings = SETTINGS.changed(hypernetwork="ana", hypernetwork_strength=0.5)
    drawn = [event.image for event in generate(tiny_components, settings, {}, {"ana": one}) if isinstance(event, Drawn)]
    assert [each.image.tobytes() for each in drawn] == draw(tiny_components, "a photo of a cat<hypernet:ana:0.5>", one)
    assert drawn[0].infotext.startswith("a photo of a cat<hypernet:ana:0.5>\n")
    assert drawn[0].settings.hypernetwork is None


def test_two_drawings_that_take_turns_do_not_disturb_each_other(tiny_components: Components) -> None:
    one = hypernetwork((32,))
    with_it = generate(tiny_components, SETTINGS.changed(prompt="a cat<hypernet:ana>"), {}, {"ana": one})
    without = generate(tiny_components, SETTINGS.changed(prompt="a cat"), {})
    pictures = [
        event.image.image.tobytes()
        for pair in zip(with_it, without, strict=True)
        for event in pair
        if isinstance(event, Drawn)
    ]
    assert pictures[0::2] == draw(tiny_components, "a cat<hypernet:ana>", one)
    assert pictures[1::2] == draw(tiny_components, "a cat")


def test_one_for_another_model_is_refused_with_both_widths(tiny_components: Components) -> None:
    with pytest.raises(HypernetworkError, match=r"ana is for attention of widths 8, 12, tiny.* has 32"):
        with_hypernetworks(tiny_components, [(hypernetwork((8, 12)), 1.0)])


def test_widths_that_the_model_lacks_stay_out(tiny_components: Components) -> None:
    both, fitting = hypernetwork((32, 48)), hypernetwork((32,))
    part = dataclasses.replace(both, sizes=(32,), parameters=both.parameters[:8])
    assert torch.equal(part.parameters[0], fitting.parameters[0])
    assert torch.equal(
        answer(with_hypernetworks(tiny_components, [(both, 1.0)])),
        answer(with_hypernetworks(tiny_components, [(fitting, 1.0)])),
    )
