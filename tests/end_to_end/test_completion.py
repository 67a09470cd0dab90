"""The shell completes commands and options, as `retrato --install-completion` sets it up."""

import os
import subprocess
import sys


def completed(words: str) -> list[str]:
    """What bash would offer after `words`."""
    asked = {"_RETRATO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    code = "import sys; from retrato.cli import main; sys.exit(main(['x']))"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    return ran.stdout.split()


def test_commands_and_their_options_are_offered() -> None:
    assert completed("retrato eva") == ["evaluate"]
    assert {"check", "caption"} <= set(completed("retrato c"))
    assert {"--recipe", "--resume"} <= set(completed("retrato train --re"))
    assert {"list", "show"} <= set(completed("retrato embeddings "))
