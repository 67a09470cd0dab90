"""Random generators that are known by name: the same (seed, words) give the same numbers, on every machine.

Nothing here remembers anything, so a resumed run draws what the uninterrupted one would have drawn.
"""

import hashlib

import torch


def generator(seed: int, *words: str | int) -> torch.Generator:
    """Gives a fresh CPU generator for what `words` name, such as `generator(0, "noise", 17)` for step 17."""
    name = "/".join(str(word) for word in (seed, *words))
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
