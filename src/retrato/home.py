"""Where everything is kept: the home folder, with people, runs, pictures and the queue."""

import os
from pathlib import Path

import platformdirs

from retrato.errors import SettingsError


def named_home(home: Path | str | None = None) -> Path:
    """Gives `home`, else what RETRATO_HOME says, else the user's data folder; makes nothing and looks at nothing.

    Raises SettingsError for `~somebody` who has no account here.
    """
    named = Path(home or os.environ.get("RETRATO_HOME") or platformdirs.user_data_dir("retrato"))
    try:
        return named.expanduser()
    except RuntimeError:
        raise SettingsError(f"the home folder {named} is that of nobody: set RETRATO_HOME to another one") from None


def home_folder(home: Path | str | None = None) -> Path:
    """Gives `named_home`, which need not be there yet; raises SettingsError where it, or what it lies in, is a file."""
    found = named_home(home)
    nearest = next((each for each in (found, *found.parents) if each.exists()), found)
    if nearest.exists() and not nearest.is_dir():
        raise SettingsError(
            f"the home folder {found} cannot be a folder ({nearest} is a file): set RETRATO_HOME to another one"
        )
    return found


def within(home: Path, sentence: str) -> str:
    """Gives `sentence` with files named as they lie in `home`: where that is concerns nobody who asks from afar.

    A home behind a link (on macOS all of /tmp and /var) has two names for each of its files.
    """
    for root in (home, home.resolve()):
        sentence = sentence.replace(f"{root}{os.sep}", "")
    return sentence
