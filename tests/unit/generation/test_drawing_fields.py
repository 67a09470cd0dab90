from retrato.generation.drawing_fields import drawing_fields
from retrato.settings import GenerateSettings


def fields(**values: object) -> dict[str, object]:
    return {key: str(value) for key, value in drawing_fields(GenerateSettings(prompt="", **values)).items() if value}


def test_what_is_at_its_default_is_not_written() -> None:
    assert fields() == {}


def test_each_way_of_drawing_has_a1111s_names() -> None:
    assert fields(variation_seed=7, variation_strength=0.25, seed_resize_from="64x96", tiling=True) == {
        "Variation seed": "7",
        "Variation seed strength": "0.25",
        "Seed resize from": "64x96",
        "Tiling": "True",
    }
    assert fields(init_image="a.png", mask="b.png", denoising_strength=0.75) == {
        "Denoising strength": "0.75",
        "Mask blur": "4",
    }
    masked = fields(
        init_image="a.png", mask="b.png", mask_invert=True, masked_content="fill", inpaint_area="only masked"
    )
    assert masked == {
        "Mask blur": "4",
        "Mask mode": "Inpaint not masked",
        "Masked content": "fill",
        "Inpaint area": "Only masked",
        "Masked area padding": "32",
    }
    assert fields(hires=True, hires_steps=5, denoising_strength=0.5, hires_prompt="a, b") == {
        "Denoising strength": "0.5",
        "Hires upscale": "2",
        "Hires steps": "5",
        "Hires upscaler": "Latent",
        "Hires prompt": "a, b",
    }
    assert fields(eta=0.0, guidance_rescale=0.7, guidance_min_sigma=1.0) == {
        "Eta": "0",
        "CFG Rescale": "0.7",
        "NGMS": "1",
        "NGMS all steps": "True",
    }
