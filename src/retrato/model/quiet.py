"""Keeps diffusers and transformers offline and silent; to be called before they are first imported.

Without it they look up the hub for files they do not need and print about packages that retrato does not use.
"""

import contextlib
import importlib.util
import os
import sys

from retrato.model.lazy import put_off


def import_quietly() -> None:
    """Imports diffusers and transformers without network, telemetry, progress bars and advice on stderr.

    Environment variables that the user has set are left alone, so HF_HUB_OFFLINE=0 allows downloads.
    """
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_TELEMETRY": "YES",
        "TRANSFORMERS_VERBOSITY": "error",
        "DIFFUSERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    _without_broken_torchvision()
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    diffusers_logging.disable_progress_bar()
    put_off()


def _without_broken_torchvision() -> None:
    """Hides a torchvision that was made for another torch, as Colab and RunPod have it once torch is newer.

    Nothing here needs it, and transformers ends in an error about something else where it cannot be imported.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception:  # RuntimeError for an operator that is missing, ImportError, OSError
        for name in [each for each in sys.modules if each.partition(".")[0] == "torchvision"]:
            with contextlib.suppress(KeyError):
                del sys.modules[name]
        sys.modules["torchvision"] = None  # type: ignore[assignment]
