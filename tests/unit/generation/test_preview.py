from retrato.generation import Drawn, Sampled, generate, preview_images
from retrato.model import Components
from retrato.settings import GenerateSettings


def test_a_preview_shows_each_image_of_the_batch_and_becomes_the_picture(tiny_components: Components) -> None:
    settings = GenerateSettings(prompt="a man", steps=3, seed=1, count=2, sampler="Euler")
    events = list(generate(tiny_components, settings, {}))
    sampled = [event for event in events if isinstance(event, Sampled)]
    drawn = [event.image.image for event in events if isinstance(event, Drawn)]
    first, last = (preview_images(tiny_components, event) for event in (sampled[0], sampled[-1]))
    assert [image.size for image in first] == [(64, 64), (64, 64)]
    # Euler's last step goes all the way to what the model sees.
    assert [image.tobytes() for image in last] == [image.tobytes() for image in drawn]
    assert first[0].tobytes() != last[0].tobytes()
