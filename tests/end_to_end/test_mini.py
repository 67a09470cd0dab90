"""The embedded model: it opens elsewhere, draws what is asked, and a person can be learned on it."""

import dataclasses
import hashlib
import random
import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import CLIPTextModel

import retrato
from mini.captions import caption
from mini.people import Scene, held_out_identities
from mini.train_judge import HEADS, load_judge
from retrato import GenerateSettings, PhotoSettings, Studio, TrainSettings
from retrato.cli import main
from retrato.jobs import JobQueue, order_preparation, work
from retrato.model import load_captioner, load_components, load_scorer
from retrato.training import RECIPES, Evaluated, Finished, Scored

ROOT = Path(__file__).parents[2]
MINI = Path(retrato.__file__).parent / "model/mini"
BENNY = ROOT / "examples/photos/benny"
STYLED = (
    ("a photo of {}", "photo"),
    ("a portrait of {}, comic style", "comic style"),
    ("a portrait of {}, flat style", "flat style"),
)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio.open(model="mini", home=tmp_path_factory.mktemp("home"), device="cpu")


def digest(modules: tuple[torch.nn.Module, ...]) -> str:
    found = hashlib.sha256()
    for module in modules:
        for value in module.state_dict().values():
            found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()


def test_all_weights_together_are_small_and_hold_no_code() -> None:
    sizes = {file: file.stat().st_size for file in MINI.rglob("*") if file.is_file()}
    assert sum(sizes.values()) <= 40_000_000
    assert not [file for file in sizes if file.suffix in (".py", ".pt", ".bin", ".ckpt")]
    assert {"MODEL_CARD.md", "LICENCES.md", "retrato.json", "model_index.json"} <= {file.name for file in sizes}


def test_older_transformers_find_the_text_encoders_weights_by_their_names() -> None:
    """transformers 4 knows only the names of published files, and makes up numbers where it finds others."""
    with safe_open(MINI / "text_encoder/model.safetensors", "pt") as file:
        names = list(file.keys())
        assert file.metadata() == {"format": "pt"}
    assert names
    assert all(name.startswith("text_model.") for name in names)
    _, found = CLIPTextModel.from_pretrained(MINI / "text_encoder", output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]


def test_any_text_has_tokens() -> None:
    tokenizer = load_components("mini").tokenizers[0]
    for text in ("ação 🐼 naïve", "日本語", "x" * 50, "\x07"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids
        assert tokenizer.eos_token_id not in ids


def test_it_draws_the_style_and_hair_that_were_asked_for(studio: Studio) -> None:
    judge = load_judge(ROOT / "mini/judge.safetensors")
    right = {"style": 0, "hair_colour": 0}
    people = [p for p in held_out_identities(40) if p.hair != "bald"][:4]
    for number, person in enumerate(people):
        for _, style in STYLED:
            scene = Scene(style, "smiling", "red", "light blue", "portrait")
            prompt = caption(person, scene, random.Random(0), full=True)
            (drawn,) = studio.draw(GenerateSettings(prompt=prompt, seed=number, sampler="DPM++ 2M", steps=10))
            pixels = torch.frombuffer(bytearray(drawn.image.tobytes()), dtype=torch.uint8).reshape(1, 128, 128, 3)
            answers = judge(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
            right["style"] += HEADS["style"][int(answers["style"].argmax())] == style
            right["hair_colour"] += HEADS["hair_colour"][int(answers["hair_colour"].argmax())] == person.hair_colour
    assert right["style"] >= 10
    assert right["hair_colour"] >= 9


def test_scorer_and_captioner_know_their_world() -> None:
    scorer, captioner = load_scorer("mini"), load_captioner("mini")
    photos = [Image.open(file).convert("RGB") for file in sorted(BENNY.glob("*.png"))]
    vectors = scorer.embed_identity(photos)
    assert (vectors @ vectors.T).mean() > 0.7
    near = (
        scorer.embed_images(photos[8:9])
        @ scorer.embed_texts(["a close-up photo of a person", "a pizza, 3d emoji style"]).T
    )
    assert near[0, 0] > near[0, 1]
    said = captioner.caption(photos, "a person,")
    assert sum("photo" in words for words in said) >= 15
    assert sum("background" in words for words in said) >= 15


def test_prepared_captions_leave_out_the_person_who_is_to_be_learned(studio: Studio, tmp_path: Path) -> None:
    """Else the words would explain hair and glasses, and the vectors would not learn them."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in ("01", "06", "09"):
        shutil.copy(BENNY / f"benny-{number}.png", photos)
    assert main(["prepare", str(photos), str(tmp_path / "typed"), "--size", "128", "--caption", "blip"]) == 0
    queue = JobQueue(studio.home)
    order_preparation(queue, photos, tmp_path / "sent", PhotoSettings(size=128, caption="blip"))
    job = queue.claim("cpu")
    assert job is not None
    list(work(studio, queue, job))
    queue.close()
    for folder in ("typed", "sent"):
        written = [file.read_text("utf-8") for file in sorted((tmp_path / folder).glob("*.txt"))]
        assert len(written) == 3
        assert all("background" in words for words in written)
        assert not re.search(r"\b(man|woman|hair|afro|bun|skin|glasses)\b", " ".join(written))


def test_benny_is_learned_in_a_few_steps_and_the_model_stays_as_it_was(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPES["retrato"]  # with one round of picking, of few steps: how well it picks is a matter of benchmarks
    quick = dataclasses.replace(recipe, pick=dataclasses.replace(recipe.pick, rounds=(3,), steps=8))
    monkeypatch.setattr("retrato.training.prepare.RECIPES", {**RECIPES, "retrato": quick})
    before = digest(studio.components.modules)
    settings = TrainSettings(name="realbenny-t2", steps=40, batch_size=4, evaluate_every=20, save_every=20, seed=1)
    events = list(studio.train(BENNY, settings))
    finished = events[-1]
    assert isinstance(finished, Finished)
    losses = [event.loss for event in events if isinstance(event, Evaluated)]
    assert min(losses[1:]) < losses[0]
    assert any(isinstance(event, Scored) for event in events)
    assert finished.file.stat().st_size < 10_000
    assert finished.scores["identity"] > 0.2
    assert digest(studio.components.modules) == before
    word, person = (
        next(iter(studio.draw(GenerateSettings(prompt=f"a photo of {who}", seed=3))))
        for who in ("a person", "realbenny-t2")
    )
    photos = [Image.open(file).convert("RGB") for file in sorted(BENNY.glob("*.png"))]
    scorer = load_scorer("mini")
    likeness = scorer.embed_identity([word.image, person.image]) @ scorer.embed_identity(photos).T
    assert likeness[1].mean() > likeness[0].mean()
