"""Texts that want to be more than text, in pictures as other people send them."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

CALL = "window.hacked=1"
PAYLOADS = (
    f"<script>{CALL}</script>",
    f"<img src=x onerror={CALL}>",
    f"<svg onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f"<iframe src='javascript:parent.{CALL}'></iframe>",
    f"<a href='javascript:{CALL}' id=trap>a</a>",
    f"<body onload={CALL}>",
    f"<input autofocus onfocus={CALL}>",
    f"<details open ontoggle={CALL}>",
    f"<video><source onerror={CALL}></video>",
    f"<audio src=x onerror={CALL}>",
    f"<object data='javascript:{CALL}'></object>",
    f"<embed src='javascript:{CALL}'>",
    f"<math><mtext><img src=x onerror={CALL}></mtext></math>",
    f"<template><img src=x onerror={CALL}></template>",
    f'"><script>{CALL}</script>',
    f"'><script>{CALL}</script>",
    f'" onmouseover="{CALL}" autofocus onfocus="{CALL}" x="',
    f"' onfocus='{CALL}' autofocus x='",
    f"</textarea><script>{CALL}</script>",
    f"</title><script>{CALL}</script>",
    f"</script><script>{CALL}</script>",
    f"<!--><script>{CALL}</script>-->",
    f"<![CDATA[<script>{CALL}</script>]]>",
    f"${{{CALL}}}",
    f"{{{{{CALL}}}}}",
    f"`${{{CALL}}}`",
    f"<%= {CALL} %>",
    f"[a](javascript:{CALL})",
    "<style>@import 'http://elsewhere.example/a.css';</style><link rel=stylesheet href=http://elsewhere.example/b.css>",
)


def fill(home: Path) -> None:
    """Puts a picture with each text into the gallery's folder."""
    folder = home / "outputs" / "2026-01-01"
    folder.mkdir(parents=True)
    for number, payload in enumerate(PAYLOADS):
        notes = PngInfo()
        notes.add_text(
            "parameters", f"{payload}\nNegative prompt: {payload}\nSteps: 4, Sampler: Euler a, Seed: {number}"
        )
        Image.new("RGB", (64, 64), (number * 8, 90, 160)).save(folder / f"{number:05d}.png", pnginfo=notes)
