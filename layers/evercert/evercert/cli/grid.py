"""Tables that fit the terminal, and rows with tabs in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from evercert.operations.escapes import visible

PIPE = 10_000  # width that marks a pipe: nothing is cut, padded or wrapped
GAP = "  "
WIDEST_FIRST = 40  # cells of the first column
NARROWEST_TEXT = 30  # cells of the last column; with less room, its text follows below the row


class Grid:
    """Table without lines. The last column holds text, which is wrapped, or follows below the row.

    `optional` columns are left out, the last one first, if the terminal is too narrow. A first cell that is too long
    gets its own line, so that it can be copied. `most_lines` is the limit for the text of one row.
    """

    def __init__(self, *headers: str, optional: Sequence[str] = (), most_lines: int | None = None) -> None:
        self.headers = headers
        self.show_header = True
        self._optional = [headers.index(header) for header in optional]
        self._most_lines = most_lines
        self._rows: list[list[Text]] = []
        self._least: Sequence[int] = ()

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def add_row(self, *cells: str | Text) -> None:
        """Add a row; its cells may be foreign text. Styled cells hold one style."""
        self._rows.append([Text(visible(cell)) if isinstance(cell, str) else cell for cell in cells])

    def align(self, least: Sequence[int]) -> list[int]:
        """Make the columns at least this wide; return their widths, for the next page of the table."""
        self._least = least
        return self._widths()

    def piped(self) -> Iterator[str]:
        """Return the lines for a pipe, with tabs between the cells."""
        header = [list(self.headers)] if self.show_header else []
        for row in header + [[cell.plain.replace("\n", " ") for cell in row] for row in self._rows]:
            yield "\t".join(map(visible, row)) + "\n"

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Return the lines; rich calls this."""
        shown, widths = self._layout(options.max_width)
        if self.show_header:
            last = [] if widths[-1] < NARROWEST_TEXT else [Text(self.headers[-1])]
            yield from _row([Text(self.headers[column]) for column in shown], widths, last, options.max_width)
        for row in self._rows:
            cells = [row[column] for column in shown]
            text = row[-1]
            if widths[-1] < NARROWEST_TEXT:
                yield from _row(cells, widths, [], options.max_width)
                lines = _wrapped(text, options.max_width - len(GAP))
                yield from (Text(GAP).append(line) for line in self._cut(lines))
            else:
                lines = _wrapped(text, widths[-1])
                yield from _row(cells, widths, self._cut(lines), options.max_width)

    def _widths(self) -> list[int]:
        columns = zip_longest(*([[Text(header) for header in self.headers], *self._rows]), fillvalue=Text())
        found = [max(cell.cell_len for cell in column) for column in columns]
        found[0] = max(
            length for row in [[Text(self.headers[0])], *self._rows] if (length := row[0].cell_len) <= WIDEST_FIRST
        )
        return [max(pair) for pair in zip_longest(found, self._least, fillvalue=0)]

    def _layout(self, room: int) -> tuple[list[int], list[int]]:
        """Return the columns to show, without the last one, and their widths, with the rest for the last one."""
        widths = self._widths()
        shown = list(range(len(widths) - 1))
        droppable = list(self._optional)

        def taken() -> int:
            return sum(widths[column] + len(GAP) for column in shown)

        while taken() - len(GAP) > room and droppable:
            shown.remove(droppable.pop())
        first = shown[0]
        left = room - (taken() - widths[first]) + len(GAP)
        widths[first] = max(min(widths[first], left), len(self.headers[first]))
        return shown, [*(widths[column] for column in shown), room - taken()]

    def _cut(self, lines: list[Text]) -> list[Text]:
        if self._most_lines is None or len(lines) <= self._most_lines:
            return lines
        last = lines[self._most_lines - 1]
        return [*lines[: self._most_lines - 1], Text(last.plain.rpartition(" ")[0] + " …", last.style)]


def _row(cells: Sequence[Text], widths: Sequence[int], text: Sequence[Text], room: int) -> Iterator[Text]:
    """Return the lines of a row: the cells, padded, beside the lines of its text."""
    first = cells[0]
    if first.cell_len > widths[0]:
        yield first
        cells = [Text(), *cells[1:]]
    indent = sum(width + len(GAP) for width in widths[:-1])
    line = Text()
    for cell, width in zip(cells, widths, strict=False):
        line.append(cell).append(" " * (width - cell.cell_len) + GAP)
    for number, part in enumerate(text or [Text()]):
        whole = line.append(part) if number == 0 else Text(" " * min(indent, room)).append(part)
        whole.rstrip()
        yield whole


def _wrapped(text: Text, width: int) -> list[Text]:
    return [Text(part, text.style) for line in text.plain.splitlines() for part in wrapped(line, width)]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return the lines of a text, the later ones with an indent, at most `width` cells wide.

    A word that is longer than the line, such as an ARN, remains in one piece, so that it can be copied.
    """
    lines = [text[: len(text) - len(text.lstrip())]]
    is_empty = True
    for word in text.split():
        fits = cell_len(lines[-1]) + (not is_empty) + cell_len(word) <= width
        if not is_empty and not fits:
            lines.append(indent)
            is_empty = True
        lines[-1] += word if is_empty else f" {word}"
        is_empty = False
    return lines if text.strip() else []
