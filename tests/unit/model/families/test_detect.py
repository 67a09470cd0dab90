import pytest

from retrato.errors import ModelError
from retrato.model.families import describe_other, find_family, require_family

UNET = {"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}
TEXT = {
    "sd1": ("cond_stage_model.transformer.text_model.embeddings.position_ids",),
    "sd2": ("cond_stage_model.model.positional_embedding",),
    "xl": ("conditioner.embedders.0.transformer.text_model.final_layer_norm.bias", "conditioner.embedders.1.model.x"),
}


def shapes(family: str, *more: str) -> dict[str, tuple[int, ...]]:
    return {**UNET, **dict.fromkeys((*TEXT[family], *more), (1,))}


@pytest.mark.parametrize("family", TEXT)
def test_the_text_encoder_tells_the_family(family: str) -> None:
    assert find_family(shapes(family)) == family


def test_what_is_written_about_the_prediction_counts() -> None:
    assert find_family(shapes("xl", "v_pred")) == "xl-v"
    assert find_family(shapes("sd2"), {"modelspec.architecture": "stable-diffusion-v2-768-v"}) == "sd2-v"
    assert find_family(shapes("sd1"), {"modelspec.prediction_type": "v"}) == "sd1-v"


@pytest.mark.parametrize("key", ["edm_mean", "edm_vpred.sigma_max"])
def test_models_with_another_noise_are_refused(key: str) -> None:
    for wanted in ("auto", "xl-v"):
        with pytest.raises(ModelError, match=rf"it holds {key}: it is an EDM model, as Playground 2\.5 and CosXL are"):
            require_family(shapes("xl", key), wanted=wanted)


def test_the_user_knows_better_only_where_tensors_say_nothing() -> None:
    assert require_family(shapes("sd2"), wanted="sd2-v")[1].prediction_type == "v_prediction"
    with pytest.raises(ModelError, match="those of Stable Diffusion 2, so it cannot be read as xl"):
        require_family(shapes("sd2"), wanted="xl")
    with pytest.raises(ModelError, match="no family 'sd3'"):
        require_family(shapes("sd2"), wanted="sd3")


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ([], "no tensors"),
        (["lora_unet_down_blocks_0.lora_down.weight"], "LoRA"),
        (["unet.up_blocks.0.lora_A.weight"], "LoRA"),
        (["unet.down_blocks.0.attn1.processor.to_q_lora.up.weight"], "LoRA"),
        (["emb_params"], "embedding"),
        (["string_to_param", "name"], "embedding"),
        (["clip_l", "clip_g"], "embedding"),
        (["control_model.time_embed.0.weight"], "ControlNet"),
        (["320", "640", "step", "layer_structure"], "hypernetwork"),
        (["first_stage_model.decoder.conv_in.weight"], "VAE"),
        (["encoder.down.0.block.0.conv1.weight"], "VAE"),
        (["down_blocks.0.resnets.0.conv1.weight"], "folder"),
        (["model.diffusion_model.double_blocks.0.x"], "Flux"),
        (["model.diffusion_model.joint_blocks.0.x"], "Stable Diffusion 3"),
        ([*UNET, "conditioner.embedders.0.model.ln_final.bias"], "refiner"),
        ([*UNET], "text encoder"),
        (["text_model.encoder.layers.0.self_attn.q_proj.weight"], "text encoder alone"),
        (["blocks.0.motion_modules.0.x"], "motion"),
        (["something"], "no Stable Diffusion model"),
    ],
)
def test_each_other_thing_has_its_sentence(keys: list[str], word: str) -> None:
    assert word in describe_other(keys)
    with pytest.raises(ModelError, match=word):
        require_family(dict.fromkeys(keys, (1,)))
