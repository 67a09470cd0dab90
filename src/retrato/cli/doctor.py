"""`retrato doctor`: what is wrong with this machine, and the command that mends it. Knows the screen only."""

import typer

from retrato.cli.options import Json
from retrato.cli.screen import Screen
from retrato.model.doctor import examine
from retrato.studio import home_folder


def doctor(json: Json = False) -> None:
    """Looks at machine, torch, device, packages, memory and disk; exit code 1 when something has to be mended."""
    screen = Screen(json)
    checks = []
    for check in examine(home_folder()):
        checks.append(check)
        screen.say(f"{'ok   ' if check.ok else 'WRONG'} {check.name}: {check.found}")
        if not check.ok and check.fix:
            screen.say(f"      mend it with: {check.fix}")
    screen.finish({"checks": checks})
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
