"""The picture of `list --timeline`: the ends of certificates in the next 90 days, one bar for each week."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.text import Text

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import GAP, PIPE, wrapped
from evercert.operations.overview import Day, Row, timeline
from evercert.operations.weeks import Week, others, weeks

PIPED = 80  # cells of the picture in a pipe
NARROW = 40  # cells; with less room, dates have no year and the headers are shorter
SHORTEST = 3  # cells of the longest bar
AT_RISK, RENEWED = "red", "green"


def values(days: Iterable[Day]) -> Iterator[dict[str, object]]:
    """Yield the days as JSON values."""
    for day in days:
        yield {"date": f"{day.date:%Y-%m-%d}", "ends": day.ends, "at_risk": day.at_risk}


def draw(console: Terminal, rows: Sequence[Row], now: datetime) -> None:
    """Print the picture of these rows of `summary`, at most as wide as the terminal."""
    width = PIPED if console.width >= PIPE else console.width
    for line in _lines(rows, now, width, unicode=console.encoding.startswith("utf")):
        console.print(line)


def _lines(rows: Sequence[Row], now: datetime, width: int, *, unicode: bool) -> Iterator[Text]:
    days = timeline(rows, now)
    found = weeks(days)
    ends, at_risk = sum(week.ends for week in found), sum(week.at_risk for week in found)
    title = f"{ends:,} of {len(rows):,} certificates end in the next {len(days)} days, {at_risk:,} of them at risk"
    yield from _plain(title, width)
    yield styled("")
    full, light = "█░" if unicode else "#-"
    yield from _Bars(found, width, full, light).lines()
    if ends:
        yield styled("")
        yield from _plain(f"{full} at risk: failing, paused, or not renewed automatically", width, AT_RISK)
        yield from _plain(f"{light} renewal planned", width, RENEWED)
    if more := ", ".join(others(rows, days)):
        yield from _plain(f"not shown: {more}", width)


def _plain(text: str, width: int, style: str = "") -> Iterator[Text]:
    return (styled(line, style) for line in wrapped(text, width))


class _Bars:
    """Rows with week, numbers and bar."""

    def __init__(self, found: tuple[Week, ...], width: int, at_risk: str, renewed: str) -> None:
        self._weeks = found
        self._at_risk, self._renewed = at_risk, renewed
        narrow = width < NARROW
        self._date = "%m-%d" if narrow else "%Y-%m-%d"
        self._headers = ("WEEK", "ENDS", "RISK") if narrow else ("WEEK OF", "ENDS", "AT RISK")
        first = max(len(self._headers[0]), len(f"{found[0].first:{self._date}}"))
        self._widths = (
            first,
            max(len(self._headers[1]), *(len(f"{week.ends:,}") for week in found)),
            max(len(self._headers[2]), *(len(f"{week.at_risk:,}") for week in found)),
        )
        self._room = max(width - sum(self._widths) - len(GAP) * len(self._widths), SHORTEST)
        self._most = max(week.ends for week in found)

    def lines(self) -> Iterator[Text]:
        """Yield the header, then a line for each week."""
        yield styled(self._row(*self._headers))
        for week in self._weeks:
            line = styled(self._row(f"{week.first:{self._date}}", f"{week.ends:,}", f"{week.at_risk:,}"))
            at_risk, renewed = self._bar(week)
            if at_risk + renewed:
                line.append(GAP).append(self._at_risk * at_risk, AT_RISK).append(self._renewed * renewed, RENEWED)
            yield line

    def _row(self, *cells: str) -> str:
        first, second, third = self._widths
        return GAP.join((f"{cells[0]:<{first}}", f"{cells[1]:>{second}}", f"{cells[2]:>{third}}"))

    def _bar(self, week: Week) -> tuple[int, int]:
        """Return the lengths of both parts; a single certificate at risk is always visible."""
        whole, at_risk = self._cells(week.ends), self._cells(week.at_risk)
        if week.ends > week.at_risk and whole > 1:
            at_risk = min(at_risk, whole - 1)
        return at_risk, whole - at_risk

    def _cells(self, number: int) -> int:
        if self._most <= self._room:
            return number
        return max(round(number * self._room / self._most), min(number, 1))
