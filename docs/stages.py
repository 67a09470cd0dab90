"""Makes the pictures of "How it works" with retrato-mini: noise to portrait, what words look at, what the vectors move.

python docs/stages.py                       learns benny first (200 steps), then writes docs/images/how-*.jpg
python docs/stages.py --embedding FILE      takes an embedding of benny that is there already

To be run again whenever the embedded model or its training changes; the three pictures together stay under 300 KB.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from retrato.embeddings import Embedding, read_embedding
from retrato.generation import Drawn, GeneratedImage, Sampled, generate
from retrato.model import Components, initial_vectors
from retrato.model.latents import decode, pixels_to_images
from retrato.model.text import token_chunks
from retrato.settings import GenerateSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Finished

FOLDER = Path(__file__).parent / "images"
PHOTOS = Path(__file__).parents[1] / "examples" / "photos" / "benny"
NAME = "benny-1"
STEPS, SEED = 20, 7
SHOWN_STEPS = (1, 4, 8, 11, 14, 17, 20)
LOOKED_AT = (NAME, "smiling", "green shirt", "blue background")
PROMPT = f"a photo of {NAME}, smiling, green shirt, blue background"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
SIDE, GAP, LINE = 168, 8, 30
PAPER, INK = "#ffffff", "#333333"
MOST_BYTES = 300_000


def denoising(components: Components, embedding: Embedding) -> Image.Image:
    """Gives one picture while it comes out of the noise: the latents after some of the steps, decoded."""
    shown = []
    for event in _events(components, embedding, PROMPT):
        if isinstance(event, Sampled) and event.step in SHOWN_STEPS:
            # A latent full of noise is larger than those that the decoder knows; it is shown at their size.
            latents = event.latents / event.latents.std().clamp(min=1.0)
            shown.append((pixels_to_images(decode(components, latents))[0], f"step {event.step}"))
    return _row(shown)


def attention(components: Components, embedding: Embedding) -> Image.Image:
    """Gives the finished picture, and for some words where the U-Net looked for them, bright for most."""
    places = {words: _places(components, embedding, words) for words in LOOKED_AT}
    with _watched(components) as maps:
        (picture,) = _pictures(components, embedding, PROMPT)
    seen = torch.stack([each for each in maps if each.shape[1] == max(one.shape[1] for one in maps)]).mean(dim=0)
    shown = [(picture.image, "the picture")]
    for words, columns in places.items():
        heat = seen[columns].mean(dim=0)
        heat = (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=1e-9)
        shown.append((_lit(picture.image, heat), words))
    return _row(shown)


def vectors(components: Components, embedding: Embedding) -> Image.Image:
    """Gives pictures of one seed on the way from the vectors of "person" to the learned ones, and a bit beyond."""
    starts = initial_vectors(components, "person", embedding.vectors[0].shape[0])
    shown = []
    for share in SHARES:
        moved = tuple(
            start + share * (learned - start) for start, learned in zip(starts, embedding.vectors, strict=True)
        )
        on_the_way = dataclasses.replace(embedding, vectors=moved)
        (picture,) = _pictures(components, on_the_way, PROMPT)
        label = {0.0: '0%: "person"', 1.0: "100%: learned"}.get(share, f"{share:.0%}")
        shown.append((picture.image, label))
    return _row(shown)


PICTURES = {"how-denoising.jpg": denoising, "how-attention.jpg": attention, "how-vectors.jpg": vectors}


class _Watching:
    """Cross-attention as diffusers does it, which also keeps the conditional row's map [tokens, h, w]."""

    def __init__(self, maps: list[Tensor]) -> None:
        self._maps = maps

    def __call__(
        self, attn: nn.Module, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: object
    ) -> Tensor:
        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key, value = attn.head_to_batch_dim(attn.to_k(words)), attn.head_to_batch_dim(attn.to_v(words))
        probabilities = attn.get_attention_scores(query, key)
        if encoder_hidden_states is not None:
            side = int(hidden_states.shape[1] ** 0.5)
            own = probabilities[-attn.heads :].mean(dim=0)  # the prompt's row comes after the negative's
            self._maps.append(own.T.reshape(-1, side, side).detach().cpu())
        mixed = attn.batch_to_head_dim(torch.bmm(probabilities, value))
        return attn.to_out[1](attn.to_out[0](mixed))


@contextmanager
def _watched(components: Components) -> Iterator[list[Tensor]]:
    maps: list[Tensor] = []
    before = dict(components.unet.attn_processors)
    components.unet.set_attn_processor(_Watching(maps))
    try:
        yield maps
    finally:
        components.unet.set_attn_processor(before)


def _places(components: Components, embedding: Embedding, words: str) -> list[int]:
    """Gives the columns of `words` among the tokens of PROMPT, the start token being 0."""
    known = {NAME: embedding.vectors[0].shape[0]}
    (whole,), (part,) = token_chunks(components, PROMPT, known), token_chunks(components, words, known)
    if part.slots:
        (slot,) = whole.slots
        return [1 + slot.offset + number for number in range(slot.vectors)]
    wanted = list(part.token_ids)
    starts = range(len(whole.token_ids) - len(wanted) + 1)
    start = next(at for at in starts if list(whole.token_ids[at : at + len(wanted)]) == wanted)
    return [1 + start + number for number in range(len(wanted))]


def _events(components: Components, embedding: Embedding, prompt: str) -> Iterator[Sampled | Drawn]:
    settings = GenerateSettings(prompt=prompt, sampler="DPM++ 2M", schedule="Karras", steps=STEPS, seed=SEED)
    return generate(components, settings, {NAME: embedding})


def _pictures(components: Components, embedding: Embedding, prompt: str) -> list[GeneratedImage]:
    return [event.image for event in _events(components, embedding, prompt) if isinstance(event, Drawn)]


def _lit(picture: Image.Image, heat: Tensor) -> Image.Image:
    """Gives the picture, dark where `heat` [h, w] is 0 and as it is where it is 1."""
    mask = Image.fromarray((heat * 255).to(torch.uint8).numpy()).resize(picture.size, Image.Resampling.BICUBIC)
    return Image.composite(
        picture, Image.blend(picture.convert("L").convert("RGB"), Image.new("RGB", picture.size), 0.75), mask
    )


def _row(shown: Sequence[tuple[Image.Image, str]]) -> Image.Image:
    page = Image.new("RGB", (len(shown) * (SIDE + GAP) + GAP, SIDE + GAP + LINE), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=20)
    for number, (picture, label) in enumerate(shown):
        left = GAP + number * (SIDE + GAP)
        page.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, GAP // 2))
        pen.text((left + SIDE / 2, SIDE + GAP + LINE / 3), label, fill=INK, font=font, anchor="mm")
    return page


def _learned(studio: Studio, steps: int) -> Embedding:
    *_, finished = studio.train(PHOTOS, TrainSettings(name=NAME, steps=steps, overwrite=True))
    assert isinstance(finished, Finished)
    return read_embedding(finished.file)


def main() -> None:
    """Writes the three pictures and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--embedding", type=Path, help="an embedding of benny with this model")
    parser.add_argument("--steps", type=int, default=200, help="training steps where no embedding is given")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        studio = Studio.open(options.model, home=home)
        found = read_embedding(options.embedding) if options.embedding else _learned(studio, options.steps)
        embedding = dataclasses.replace(found, name=NAME)
        total = 0
        for name, draw in PICTURES.items():
            file = options.out / name
            draw(studio.components, embedding).save(file, quality=85, optimize=True)
            total += file.stat().st_size
            print(f"{file} {file.stat().st_size // 1000} KB", flush=True)
    if total > MOST_BYTES:
        raise SystemExit(f"the pictures are {total // 1000} KB together: make them smaller")


if __name__ == "__main__":
    main()
