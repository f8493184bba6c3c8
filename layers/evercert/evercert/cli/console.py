"""A terminal that shows control characters of foreign text as escapes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from evercert.cli.escapes import visible, visible_lines

CLOSED = 141  # exit code of a Unix program that SIGPIPE ended


def styled(text: str, style: str = "") -> Text:
    """Return text of one line with a style; the text may be foreign."""
    return Text(visible(text), style)


class Terminal(Console):
    """Console whose output holds no control characters but its own."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:  # noqa: ANN401
        # No markup, no emoji: rich would interpret `[web]` and `arn:…:secret:…`.
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True, **options)

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401
        """Print text in one line, or a table."""
        super().print(*(visible(each) if isinstance(each, str) else each for each in objects), **options)

    def lines(self, text: str) -> None:
        """Print text of several lines."""
        for line in text.split("\n"):
            self.print(line)

    def json(self, value: object, indent: int | None = None) -> None:
        """Print JSON for scripts; control characters become JSON's escapes."""
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        try:
            self.file.write("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text) + "\n")
            self.file.flush()
        except BrokenPipeError:
            self.on_broken_pipe()

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape what was not escaped yet, such as the text of a spinner."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or text.isprintable() else Segment(visible_lines(text), style)

    def on_broken_pipe(self) -> NoReturn:
        """End the program silently, as other programs do when the reader of their output ends."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())  # or the flush at exit fails again
        raise SystemExit(CLOSED)


class Grid(Table):
    """Table without lines; its cells are text of one line, styled or not."""

    def __init__(self, *headers: str) -> None:
        super().__init__(*headers, box=None, pad_edge=False)

    def add_row(self, *cells: Any, **options: Any) -> None:  # noqa: ANN401
        """Add a row."""
        super().add_row(*(styled(cell) if isinstance(cell, str) else cell for cell in cells), **options)
