"""Show commands of the tests as documentation: placeholders instead of the values of one run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from tests.tools.local_stack import ROOT

WIDTH = 100
# Programs of the system, of environments in .local, and the folder of the Python that runs an installed script.
_FOLDERS = re.compile(rf"(?<![\w/])(?:/usr/s?bin/|{re.escape(str(ROOT))}/\.local/[\w./=@-]*/bin/)")
_GO_PROGRAM = re.compile(rf"{re.escape(str(ROOT))}/\.local/go/go-\w+/")
_NODE_MODULES = re.compile(rf"{re.escape(str(ROOT))}/\.local/sdks/acme-client-[\w.]+")


def line(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return a command with its environment; a long one is broken before options."""
    parts = [*(f"{name}={shlex.quote(value)}" for name, value in environment.items()), *map(shlex.quote, command)]
    words: list[str] = []
    for part in parts:
        if words and words[-1].startswith("-") and not part.startswith("-"):
            words[-1] += f" {part}"
        else:
            words.append(part)
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > WIDTH and word.startswith("-"):
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def plain(text: str, values: Mapping[str, str]) -> str:
    """Replace values of a run by placeholders, and paths of this machine by names."""
    for value, placeholder in values.items():
        if value:
            text = text.replace(value, placeholder)
    return without_paths(text)


def without_paths(text: str) -> str:
    """Remove the folders of programs; files of the repository remain relative to it."""
    for pattern in (_FOLDERS, _GO_PROGRAM):
        text = pattern.sub("", text)
    text = _NODE_MODULES.sub("FOLDER", text)
    return text.replace(f"{ROOT}/", "")
