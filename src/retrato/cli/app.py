"""Puts the commands together, and turns whatever ends one into an exit code and at most one line on stderr.

A command's module is imported only when that command is named on the command line, so that help is instant.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer
from typer.main import get_command

from retrato.cli.outcome import Interrupted
from retrato.collecting import without_collecting
from retrato.errors import RetratoError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its words, the module and function behind it, its line in the help, and the panel it stands in."""

    name: str
    module: str
    function: str
    help: str
    panel: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line, by default this process's, and gives its exit code.

    0 done, 1 failed while working, 2 the input is wrong, 130 interrupted by Ctrl-C, Ctrl-Break, SIGTERM or a closed
    terminal (not on Windows, which ends a program with its window at once).
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file's name may be no text at all; that must not end a command
            stream.reconfigure(errors="backslashreplace")
    with _terminating_like_interrupting(), _logging_to_stderr():
        return _run(arguments)


def build_app(words: Collection[str] | None = None) -> typer.Typer:
    """Gives the Typer application; of the commands only those whose words are all in `words` can be run (None: all).

    The others are there with their line of help.
    """
    app = typer.Typer(rich_markup_mode="rich", help=HELP)
    app.callback()(_root)
    groups: dict[str, typer.Typer] = {}
    for entry in COMMANDS:
        *parent, name = entry.name.split()
        if parent and parent[0] not in groups:
            groups[parent[0]] = typer.Typer(rich_markup_mode="rich")
            app.add_typer(groups[parent[0]], name=parent[0], help=GROUPS[parent[0]], rich_help_panel=entry.panel)
        is_wanted = words is None or all(word in words for word in entry.name.split())
        function: Callable[..., None] = _function(entry) if is_wanted else _not_loaded
        target = groups[parent[0]] if parent else app
        target.command(name, help=entry.help, rich_help_panel=None if parent else entry.panel)(function)
    return app


def _run(arguments: list[str]) -> int:
    words = _typed() if "_RETRATO_COMPLETE" in os.environ else arguments
    try:
        code = get_command(build_app(words)).main(args=arguments, prog_name="retrato", standalone_mode=False)
    except Interrupted as error:
        return _complain(str(error), INTERRUPTED, arguments)
    except KeyboardInterrupt:  # while the command itself is still being imported
        return _complain("interrupted", INTERRUPTED, arguments)
    except RetratoError as error:
        return _complain(str(error), error.exit_code, arguments)
    except OSError as error:
        return _complain(f"{error.filename or 'a file'}: {error.strerror or error}", FAILED, arguments)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own errors: which click they come from depends on its version
            return _complain(_usage(error), WRONG_INPUT, arguments)
        if os.environ.get("RETRATO_DEBUG") == "1":
            raise
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return _complain(f"unexpected {what}; run with RETRATO_DEBUG=1 for the traceback", FAILED, arguments)
    if code == INTERRUPTED:
        return _complain("interrupted", INTERRUPTED, arguments)
    return int(code or DONE)


def _typed() -> list[str]:
    """Gives the words that a shell wants completed, in bash's way or the others': so Tab loads one command at most."""
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()


def _complain(sentence: str, code: int, arguments: Sequence[str]) -> int:
    """Prints the one line that an unhappy end deserves, and with --json the object; gives `code` back."""
    line = " ".join(sentence.split())
    print(f"error: {line}" if code != INTERRUPTED else line, file=sys.stderr)
    if "--json" in arguments:
        with suppress(OSError):  # stdout may be what failed
            print(json.dumps({"error": line, "exit_code": code}))
    return code


def _usage(error: Exception) -> str:
    """Gives typer's message with the command whose --help says more."""
    message = str(getattr(error, "format_message")()).rstrip(".").replace(": Value error, ", ": ")  # noqa: B009
    context = getattr(error, "ctx", None)
    return f"{message}: see `{context.command_path if context else 'retrato'} --help`"


@contextmanager
def _terminating_like_interrupting() -> Iterator[None]:
    """While open, SIGTERM, Ctrl-Break and a terminal that is closed do what Ctrl-C does: the work is saved first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {kind: signal.getsignal(kind) for kind in kinds}
    for kind in kinds:
        if before[kind] != signal.SIG_IGN:  # nohup means that the terminal does not matter
            signal.signal(kind, signal.default_int_handler)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """While open, what the library logs appears on stderr as plain lines."""
    logger, handler = logging.getLogger("retrato"), logging.StreamHandler(sys.stderr)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _function(entry: Entry) -> Callable[..., None]:
    if entry.module not in sys.modules:
        with without_collecting():
            import_module(entry.module)
        gc.freeze()  # modules stay to the end: the collector need never look at them
    function: Callable[..., None] = getattr(sys.modules[entry.module], entry.function)
    return function


def _not_loaded() -> None:
    raise AssertionError("a command runs only when its words are on the command line, and then it is loaded")


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, help="print the version and stop", callback=lambda on: _show(on)),
    ] = False,
) -> None:
    """Takes the options that stand before the command."""


def _show(version_wanted: bool) -> None:
    if version_wanted:
        from retrato import __version__

        print(f"retrato {__version__}")
        raise typer.Exit


HELP = "Learns a person from about twenty photos and draws them in anything a prompt can say."
GROUPS = {
    "embeddings": "Lists, shows, converts, removes and blends learned people.",
    "hypernetworks": "Learns people by hypernetwork; lists, shows, converts and removes those.",
    "models": "Lists, examines and fetches base models.",
    "styles": "Lists, adds and removes named words for prompts.",
}
_PHOTOS, _PEOPLE, _PICTURES, _STUDIO = "Photos", "People", "Pictures and models", "The studio"
COMMANDS = (
    Entry("demo", "retrato.cli.demo", "demo", "Goes the whole way on bundled photos, and reports.", _PEOPLE),
    Entry("check", "retrato.cli.photos", "check", "Says what is good and bad about a set of photos.", _PHOTOS),
    Entry("prepare", "retrato.cli.photos", "prepare", "Writes upright, square, captioned copies of photos.", _PHOTOS),
    Entry("caption", "retrato.cli.photos", "caption", "Says in words what is on photos.", _PHOTOS),
    Entry("train", "retrato.cli.train", "train", "Learns a person and picks the best checkpoint.", _PEOPLE),
    Entry("train-many", "retrato.cli.train_many", "train_many", "Learns many people at once.", _PEOPLE),
    Entry("score", "retrato.cli.score", "score", "Says how good it is, on photos it never saw.", _PEOPLE),
    Entry("generate", "retrato.cli.generate", "generate", "Draws what a prompt says.", _PICTURES),
    Entry("grid", "retrato.cli.grid", "grid", "Draws a comparison sheet, one thing changed per axis.", _PICTURES),
    Entry("evaluate", "retrato.cli.evaluate", "evaluate", "Measures how well people are learned.", _PEOPLE),
    Entry("embeddings list", "retrato.cli.embeddings", "list_all", "Lists the people in the library.", _PEOPLE),
    Entry("embeddings show", "retrato.cli.embeddings", "show", "Says what is in an embedding.", _PEOPLE),
    Entry("embeddings convert", "retrato.cli.embeddings", "convert", "Writes one in another layout.", _PEOPLE),
    Entry("embeddings remove", "retrato.cli.embeddings", "remove", "Deletes one from the library.", _PEOPLE),
    Entry("embeddings blend", "retrato.cli.embeddings", "blend", "Mixes several into a new one.", _PEOPLE),
    Entry("hypernetworks train", "retrato.cli.hypernetworks", "train", "Learns a person by hypernetwork.", _PEOPLE),
    Entry("hypernetworks list", "retrato.cli.hypernetworks", "list_all", "Lists those in the library.", _PEOPLE),
    Entry("hypernetworks show", "retrato.cli.hypernetworks", "show", "Says what is in a hypernetwork.", _PEOPLE),
    Entry("hypernetworks convert", "retrato.cli.hypernetworks", "convert", "Writes one for A1111 or others.", _PEOPLE),
    Entry("hypernetworks remove", "retrato.cli.hypernetworks", "remove", "Deletes one from the library.", _PEOPLE),
    Entry("serve", "retrato.cli.serve", "serve", "Opens the studio for browsers and programs.", _STUDIO),
    Entry("doctor", "retrato.cli.doctor", "doctor", "Says what is wrong here, and what to do about it.", _STUDIO),
    Entry("forget", "retrato.cli.forget", "forget", "Removes everything about a person.", _PEOPLE),
    Entry("info", "retrato.cli.info", "info", "Says how a picture was drawn.", _PICTURES),
    Entry("models list", "retrato.cli.models", "list_all", "Lists the base models on this machine.", _PICTURES),
    Entry("models show", "retrato.cli.models", "show", "Says what a base model is and takes.", _PICTURES),
    Entry("models check", "retrato.cli.models", "check", "Reads every weight: can it be used?", _PICTURES),
    Entry("models fetch", "retrato.cli.models", "fetch", "Downloads one from the Hugging Face hub.", _PICTURES),
    Entry("styles list", "retrato.cli.styles", "list_all", "Lists the styles and what they add.", _PICTURES),
    Entry("styles add", "retrato.cli.styles", "add", "Adds words to prompts under a name.", _PICTURES),
    Entry("styles remove", "retrato.cli.styles", "remove", "Takes one out again.", _PICTURES),
    Entry("samplers", "retrato.cli.samplers", "samplers", "Lists the samplers and their noise schedules.", _PICTURES),
)
