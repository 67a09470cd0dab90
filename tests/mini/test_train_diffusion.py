"""A second mini is of the shape that was asked for."""

import json
from pathlib import Path

from mini.train_diffusion import make_text_encoder, make_unet, read_shape


def test_a_model_is_of_the_shape_that_its_file_says(tmp_path: Path) -> None:
    shape = {"widths": [32, 48, 64], "text_width": 64, "channels": 4, "size": 8, "vocabulary": 99}
    (tmp_path / "second.json").write_text(json.dumps(shape))
    unet, text = read_shape(tmp_path / "second.json")
    assert list(unet.config.block_out_channels) == shape["widths"]
    assert (unet.config.in_channels, unet.config.sample_size) == (4, 8)
    assert unet.config.cross_attention_dim == text.config.hidden_size == 64
    assert text.config.vocab_size == 99


def test_the_first_mini_is_what_nobody_need_ask_for() -> None:
    assert list(make_unet().config.block_out_channels) == [96, 160, 176]
    assert make_unet().config.cross_attention_dim == make_text_encoder(99).config.hidden_size
