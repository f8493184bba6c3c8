"""A document of the console as a private file, because the command's readers take files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def private_file(text: str) -> Iterator[str]:
    """Write the text to a file in a private folder; delete both afterwards."""
    with tempfile.TemporaryDirectory(prefix="evercert-") as folder:
        file = Path(folder) / "document.yaml"
        file.write_text(text, encoding="utf-8", errors="replace")
        yield str(file)


def named_by_line(message: str, file: str) -> str:
    """Return a message about the file as one about the document: `line 3: …`."""
    return message.replace(f"{file}:", "line ").replace(file, "the document")
