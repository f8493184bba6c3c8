"""A terminal that shows control characters of foreign text as escapes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from textwrap import indent
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from evercert.cli.grid import PIPE, Grid
from evercert.operations.escapes import visible, visible_lines

CLOSED = 141  # exit code of a Unix program that SIGPIPE ended


def styled(text: str, style: str = "") -> Text:
    """Return text of one line with a style; the text may be foreign."""
    return Text(visible(text), style)


class Terminal(Console):
    """Console whose output holds no control characters but its own."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:  # noqa: ANN401
        # No markup, no emoji: rich would interpret `[web]` and `arn:…:secret:…`.
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True, **options)

    @classmethod
    def of_output(cls, width: int | None = None) -> Terminal:
        """Return the console of standard output: as wide as the terminal or `width`, or a pipe."""
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        return cls(width=width or (None if is_terminal else PIPE))

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401
        """Print text in one line, or a table."""
        if self.width >= PIPE and len(objects) == 1 and isinstance(objects[0], Grid):
            self._write(objects[0].piped())
            return
        super().print(*(visible(each) if isinstance(each, str) else each for each in objects), **options)

    def lines(self, text: str) -> None:
        """Print text of several lines."""
        for line in text.split("\n"):
            self.print(line)

    def json(self, value: object, spaces: int | None = None) -> None:
        """Print JSON for scripts; control characters become JSON's escapes."""
        self._write([_json(value, spaces), "\n"])

    def json_array(self, values: Iterable[object]) -> None:
        """Print a JSON array, each value as soon as it is there."""
        before = "["
        for value in values:
            self._write([before, "\n", indent(_json(value, 2), "  ")])
            before = ","
        self._write(["[]\n" if before == "[" else "\n]\n"])

    def pieces(self, texts: Iterable[str]) -> None:
        """Write a file for another program, such as a page: as it is, without escapes."""
        self._write(texts)

    def _write(self, texts: Iterable[str]) -> None:
        try:
            self.file.writelines(texts)
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


def _json(value: object, spaces: int | None) -> str:
    text = json.dumps(value, indent=spaces, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
