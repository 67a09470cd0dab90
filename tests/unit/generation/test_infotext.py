import pytest

from retrato.generation import format_infotext, parse_infotext
from retrato.settings import GenerateSettings

TAIL = "\nSteps: 20, Sampler: Euler a, Seed: 3"


def test_what_is_written_is_read() -> None:
    settings = GenerateSettings(
        prompt='a "quoted", (red:1.2)\nhat', negative_prompt="bad: very", steps=7, sampler="DPM++ 2M",
        schedule="Karras", guidance_scale=7.5, seed=12, width=64, height=128, clip_skip=2,
        emphasis="No norm", schedule_rules="2022",
    )  # fmt: skip
    text = format_infotext(settings, model="my, model", model_hash="abc", version="retrato 1", fields={"RNG": "CPU"})
    assert text.splitlines()[-1] == (
        "Steps: 7, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 12, Size: 64x128, Model hash: abc, "
        'Model: "my, model", Clip skip: 2, RNG: CPU, Emphasis: No norm, Version: retrato 1'
    )
    fields = parse_infotext(text)
    assert (fields["Prompt"], fields["Negative prompt"]) == ('a "quoted", (red:1.2)\nhat', "bad: very")
    assert (fields["Model"], fields["Size-2"], fields["Clip skip"]) == ("my, model", "128", "2")


def test_old_timelines_are_noted_only_where_they_matter() -> None:
    for prompt, expected in (("[a:b:0.5]", "True"), ("a", None)):
        text = format_infotext(GenerateSettings(prompt=prompt, schedule_rules="2022", width=64, height=64))
        assert parse_infotext(text).get("Old prompt editing timelines") == expected


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (f"a{TAIL}, Seed: 4", "Seed", "4"),
        (f"a{TAIL}, Empty: , Next: 1", "Empty", None),
        (f"a{TAIL}, Empty: , Next: 1", "Next", "1"),
        (f'a{TAIL}, Note: "x, y: z"', "Note", "x, y: z"),
        (f'a{TAIL}, Note: "x, y', "Note", '"x'),
        (f'a{TAIL}, Note: "x" y, Next: 1', "Note", '"x" y'),
        (f'a{TAIL}, Note: "\\u00e3\\n"', "Note", "ã\n"),
        (f'a{TAIL}, Note: "\\q", Next: 1', "Note", '"\\q"'),
        (f"a{TAIL}, K: 1, Next: 1", "K", None),
        (f"a{TAIL}, -Key: 1", "Key", "1"),
        (f"a{TAIL}, a.Key: 1", "Key", "1"),
        (f"a{TAIL}, Größe/2: 1", "Größe/2", "1"),
        (f"a{TAIL}, Size: 1x2x3", "Size", "1x2x3"),
        (f"a{TAIL}, Size: {'9' * 5000}x1", "Size", f"{'9' * 5000}x1"),
        (f"a{TAIL}, Size: 0x0, First pass size: 0x0", "Size-1", "0"),
        (f"(a:1.2.3){TAIL}", "Seed", "3"),
        (f"a{TAIL}, First pass size-1: 3", "Size-1", None),
        (f"a{TAIL}, First pass size-1: abc, First pass size-2: 4", "Hires resize-1", "0"),
        (f"a{TAIL}, First pass size: 64x64, Size-1: x", "Size-1", "x"),
        (f"a{TAIL}, Size: 512x768, First pass size: 0x0", "Size-2", "640"),
        (f"a{TAIL}, Negative prompt: b", "Negative prompt", "b"),
        (f"a\nNegative prompt: b\nNegative prompt: c{TAIL}", "Negative prompt", "b\nc"),
        (f"a\n\n b {TAIL}", "Prompt", "a\n\nb"),
        (f'a{TAIL}, Empty: "", Next: 1', "Empty", ""),
        (f'a{TAIL}, Size: "64x32"', "Size-2", "32"),
        (f"a{TAIL}, Hypernet: x(2f88), Hypernet strength: 0.5", "Prompt", "a<hypernet:x(2f88):0.5>"),
        (f"a{TAIL}, Hypernet: x(2f88)", "Emphasis", None),
        (f"a BREAK b{TAIL}", "Emphasis", None),
        (f"a [b]{TAIL}", "Emphasis", "Original"),
        ("one: two, three", "Prompt", "one: two, three"),
        ("", "Prompt", ""),
        (f"a{TAIL}, Version: v1.5.0", "Downcast alphas_cumprod", "True"),
        (f"a{TAIL}, Version: v1.7.0-225-gabc", "Downcast alphas_cumprod", None),
        (f"a{TAIL}, Version: v1.7.0-224-gabc", "Downcast alphas_cumprod", "True"),
        (f"[a:b:1.0]{TAIL}, Version: v1.6.0-RC-3-gabc", "Old prompt editing timelines", "True"),
        (f"[a:b:1.0]{TAIL}, Version: v1.6.0-3-gabc", "Old prompt editing timelines", None),
        (f"a{TAIL}, Sampler: PLMS, Version: 1.5.2", "Pad conds v0", "True"),
        (f"a{TAIL}, Refiner: x, Version: 1.7.0", "Refiner switch by sampling steps", "True"),
        (f"a{TAIL}, Version: retrato 0.1.0", "Downcast alphas_cumprod", None),
    ],
)
def test_odd_lines(text: str, key: str, value: str | None) -> None:
    assert parse_infotext(text).get(key) == value


def said(**values: object) -> dict[str, str]:
    """Gives the fields that `values` add to those that are always written."""
    line = format_infotext(GenerateSettings(prompt="", **values)).splitlines()[-1]
    usual = format_infotext(GenerateSettings(prompt="")).split(", ")
    return dict(part.split(": ", 1) for part in line.split(", ") if part not in usual)


def test_each_way_of_drawing_has_a1111s_names() -> None:
    assert said() == {}
    assert said(variation_seed=7, variation_strength=0.25, seed_resize_from="64x96", tiling=True) == {
        "Variation seed": "7",
        "Variation seed strength": "0.25",
        "Seed resize from": "64x96",
        "Tiling": "True",
    }
    assert said(init_image="a.png", mask="b.png", denoising_strength=0.75) == {
        "Denoising strength": "0.75",
        "Mask blur": "4",
    }
    assert said(
        init_image="a", mask="b", mask_invert=True, masked_content="fill", inpaint_area="only masked",
        resize_mode="crop and resize",
    ) == {
        "Mask blur": "4",
        "Mask mode": "Inpaint not masked",
        "Masked content": "fill",
        "Inpaint area": "Only masked",
        "Masked area padding": "32",
        "Resize mode": "Crop and resize",
    }  # fmt: skip
    assert said(hires=True, hires_steps=5, denoising_strength=0.5, hires_prompt="a b") == {
        "Denoising strength": "0.5",
        "Hires upscale": "2",
        "Hires steps": "5",
        "Hires upscaler": "Latent",
        "Hires prompt": "a b",
    }
    assert said(sampler="DDIM", eta=0.5) == {"Sampler": "DDIM", "Eta DDIM": "0.5"}
    assert said(eta=0.0, guidance_rescale=0.7, guidance_min_sigma=1.0) == {
        "Eta": "0",
        "CFG Rescale": "0.7",
        "NGMS": "1",
        "NGMS all steps": "True",
    }
