"""retrato learns a few-kilobyte personal embedding from about twenty photos and draws that person.

Holds the public names and nothing else; each is imported when it is first asked for, so that `import retrato` costs
nothing. Nothing that retrato does needs the network, so the libraries below it are told to stay off it.
"""

import importlib
import os
from typing import TYPE_CHECKING

# Before anything is imported: huggingface_hub reads these once. Whoever sets them otherwise is left alone.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

if TYPE_CHECKING:
    from retrato.embeddings import Embedding
    from retrato.errors import (
        EmbeddingError,
        HypernetworkError,
        JobError,
        ModelError,
        PhotoError,
        PromptError,
        QueueError,
        RetratoError,
        SettingsError,
        TrainingError,
        UnknownError,
    )
    from retrato.settings import (
        EvaluateSettings,
        GenerateSettings,
        HypernetworkSettings,
        PhotoSettings,
        ServerSettings,
        TrainSettings,
    )
    from retrato.studio import Studio

    __version__: str

__all__ = [
    "Embedding",
    "EmbeddingError",
    "EvaluateSettings",
    "GenerateSettings",
    "HypernetworkError",
    "HypernetworkSettings",
    "JobError",
    "ModelError",
    "PhotoError",
    "PhotoSettings",
    "PromptError",
    "QueueError",
    "RetratoError",
    "ServerSettings",
    "SettingsError",
    "Studio",
    "TrainSettings",
    "TrainingError",
    "UnknownError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name not in __all__:
        raise AttributeError(f"module 'retrato' has no attribute {name!r}")
    return getattr(importlib.import_module(f"retrato.{_home_of(name)}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _home_of(name: str) -> str:
    """Gives the module that a public name comes from."""
    if name.endswith("Error"):
        return "errors"
    if name.endswith("Settings"):
        return "settings"
    return {"Studio": "studio", "Embedding": "embeddings"}[name]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("retrato")
    except PackageNotFoundError:  # run from the sources, without an installation
        return "0+source"
