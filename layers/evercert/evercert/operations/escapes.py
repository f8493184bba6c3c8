r"""Show foreign text safely on a terminal: an escape such as `\x1b` replaces each control character."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress

from evercert import json_parser
from evercert.documents.spec import NAME_PATTERN


def visible(text: str, limit: int | None = None) -> str:
    """Return the text in one line: escapes instead of control characters, bidirectional overrides and line ends.

    Backslashes stay single, so that the result does not change when it is escaped again.
    """
    shown = text if text.isprintable() else "".join(map(_visible, text))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def visible_lines(text: str) -> str:
    """Return the text with the same escapes; its line ends remain."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def quoted(name: str) -> str:
    """Return the name of a certificate so that it can be pasted into a shell, and read by `unquoted`.

    Only an unreadable record has a name that needs quotes. Inside them is JSON, which can express every name.
    """
    if re.fullmatch(NAME_PATTERN, name) and not name.startswith("-"):
        return name
    return shlex.quote(json.dumps(name).replace("\x7f", "\\u007f"))


def unquoted(text: str) -> str:
    """Return the name that `quoted` printed; other text is a name as it is."""
    if text.startswith('"'):
        with suppress(ValueError):
            name = json_parser.parse(text)
            return name if isinstance(name, str) else text
    return text


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
