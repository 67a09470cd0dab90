"""Trains the byte-pair vocabulary in CLIP's layout and turns captions into token ids.

python -m mini.tokens --work mini/work       writes tokenizer/ and ids.npy (int16 [N, VARIANTS, 77])
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from mini import emoji
from mini.captions import FILLERS, caption, emoji_caption
from mini.people import Identity, Scene

LENGTH, SIZE, VARIANTS = 77, 3000, 4
WORDS = [
    "man",
    "woman",
    "boy",
    "girl",
    "person",
    "people",
    "face",
    "head",
    "cat",
    "dog",
    "house",
    "beach",
    "forest",
    "city",
    "space",
    "snow",
    "winter",
    "summer",
    "night",
    "day",
    "robot",
    "astronaut",
    "superhero",
    "king",
    "queen",
    "wizard",
    "pirate",
    "knight",
    "photo",
    "portrait",
    "painting",
    "drawing",
    "sketch",
    "artist",
    "pixar",
]


def captions_of(line: str, variants: int = VARIANTS) -> list[str]:
    """Several captions of one picture, the stored one first; half of them say everything, or shapes are learned late."""
    facts = json.loads(line)
    found = [facts["caption"]]
    for k in range(1, variants):
        r = random.Random(f"{facts['caption']} {k}")
        if "emoji" in facts:
            found.append(emoji_caption(facts["emoji"], facts["style"], facts["background"], r))
        else:
            found.append(caption(Identity(**facts["person"]), Scene(**facts["scene"]), r, full=k % 4 in (1, 2)))
    return found


def train_vocabulary(captions: list[str], folder: Path) -> None:
    """Writes vocab.json, merges.txt and tokenizer_config.json; every byte is in, so no text is unknown."""
    names = [emoji.spoken(name) for name in emoji.SUBJECTS + emoji.HELD_OUT]
    extra = [f"a photo of a {word}, {filler}" for word in WORDS + names for filler in FILLERS]
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 256 - 2, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(captions + extra, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    vocabulary = dict(learned["vocab"])
    for symbol in alphabet:  # CLIP has every byte also as the end of a word
        vocabulary.setdefault(symbol + "</w>", len(vocabulary))
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in learned["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": LENGTH, "do_lower_case": True,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--keep", action="store_true", help="keep the vocabulary, only make ids.npy anew")
    options = parser.parse_args()
    captions = [
        text for line in (options.work / "examples.jsonl").read_text().splitlines() for text in captions_of(line)
    ]
    if not options.keep:
        train_vocabulary(captions, options.work / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(options.work / "tokenizer")
    ids = np.empty((len(captions), LENGTH), np.int16)
    for start in range(0, len(captions), 10000):
        part = captions[start : start + 10000]
        ids[start : start + len(part)] = tokenizer(
            part, padding="max_length", truncation=True, max_length=LENGTH
        ).input_ids
    np.save(options.work / "ids.npy", ids.reshape(-1, VARIANTS, LENGTH))
    end = len(tokenizer) - 1
    print(
        f"{len(tokenizer)} tokens; captions of {(ids != end).sum(1).mean() + 1:.1f} on average, {(ids != end).sum(1).max() + 1} at most"
    )


if __name__ == "__main__":
    main()
