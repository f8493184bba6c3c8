"""Text of a document: YAML that needs no YAML library, because JSON scalars are YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./:@-]*[A-Za-z0-9_/@-]|[A-Za-z_]")
_BLOCK = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?\n){2,}")  # several lines, such as PEM
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def to_text(document: dict[str, Any]) -> str:
    """Return the document as YAML in blocks; its keys are plain words."""
    return "\n".join(_lines(document, "")) + "\n"


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    for key, part in value.items():
        if isinstance(part, dict) and part:
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(part, f"{indent}  ")
        elif isinstance(part, list) and part:
            yield f"{indent}{_scalar(key)}:"
            for entry in part:
                yield from _entry(entry, f"{indent}  ")
        elif isinstance(part, str) and _BLOCK.fullmatch(part):
            yield f"{indent}{_scalar(key)}: |"
            yield from (f"{indent}  {line}" for line in part.splitlines())
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(part)}"


def _entry(entry: object, indent: str) -> Iterator[str]:
    if not isinstance(entry, dict) or not entry:
        yield f"{indent}- {_scalar(entry)}"
        return
    first, *rest = _lines(entry, "")
    yield f"{indent}- {first}"
    yield from (f"{indent}  {line}" for line in rest)


def _scalar(value: object) -> str:
    """Return a plain word if YAML reads it as the same text, or else JSON with escapes that YAML knows too."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
