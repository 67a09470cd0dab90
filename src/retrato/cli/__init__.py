"""The command line: `main` is what the command `retrato` runs. Knows nothing of how anything is done."""

from retrato.cli.app import main

__all__ = ["main"]
