import io

from rich.console import Console

from retrato.cli.counting import counting


def test_a_bar_with_the_time_left_on_a_terminal_and_nothing_elsewhere() -> None:
    for is_terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=is_terminal, width=100)
        with counting("checking", 4, console) as count:
            count(3)
        assert ("3/4" in out.getvalue()) == is_terminal
        assert ("left" in out.getvalue()) == is_terminal
