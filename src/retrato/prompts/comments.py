"""Comments in prompts, as A1111 has them since 1.8: what stands behind a # is not drawn."""

import re

_WHOLE_LINE = re.compile(r"(^|\n)#[^\n]*(\n|$)")
_REST_OF_LINE = re.compile(r"#[^\n]*(\n|$)")


def without_comments(prompt: str) -> str:
    """Gives the prompt without what stands from each # to the end of its line."""
    return _REST_OF_LINE.sub("\n", _WHOLE_LINE.sub("\n", prompt)).strip("\n") if "#" in prompt else prompt
