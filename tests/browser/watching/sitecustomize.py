"""Runs in the studio under test before anything else: writes down every name that is looked up, and whom it calls."""

import os
import sys

HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", "None")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        asked = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        asked = arguments[1][0]
    else:
        return
    name = asked.decode() if isinstance(asked, bytes) else str(asked)
    if name not in HERE:
        with open(os.environ["RETRATO_TEST_LOOKUPS"], "a") as file:
            file.write(f"{event} {name}\n")


sys.addaudithook(_watch)
