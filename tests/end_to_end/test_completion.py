"""The shell completes commands and options, as `retrato --install-completion` sets it up."""

import os
import subprocess
import sys

import pytest


def completed(words: str, shell: str = "bash") -> tuple[list[str], bool]:
    """What the shell would offer after `words`, and whether torch was loaded for it."""
    asked = {"_RETRATO_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    else:
        asked |= {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    code = (
        "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr));"
        "from retrato.cli import main; sys.exit(main(['x']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    return ran.stdout.split(), ran.stderr.split()[-1] == "True"


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_commands_are_offered_at_once(shell: str) -> None:
    offered, torch_was_loaded = completed("retrato eva", shell)
    assert offered[:1] == ["evaluate"]
    assert not torch_was_loaded
    assert {"list", "show"} <= set(completed("retrato embeddings ", shell)[0])


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_options_of_the_command_are_offered(shell: str) -> None:
    assert {"--recipe", "--resume"} <= set(completed("retrato train --re", shell)[0])
