"""The timeline as a picture (SVG): a bar for each day, its part at risk below, without attributes of style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evercert.operations.overview import Day
from evercert.operations.report.markup import text
from evercert.operations.weeks import LENGTH

STEP, BAR, HEIGHT = 10, 8, 100
LOWEST = 2.0  # of a part, so that one certificate beside thousands is visible
LABELS = 4


def chart(days: Sequence[Day]) -> Iterator[str]:
    """Yield the figure of these days; the table of weeks holds its numbers."""
    most = max(day.ends for day in days)
    width = STEP * len(days)
    yield (
        f'<figure><svg class="chart" viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" '
        'aria-label="Ends of certificates by day; the table of weeks below has the numbers">\n'
    )
    for number in range(LENGTH, len(days), LENGTH):
        yield f'<line class="week" x1="{number * STEP}" x2="{number * STEP}" y1="0" y2="{HEIGHT}"/>'
    yield "\n"
    for number, day in enumerate(days):
        yield from _bar(number, day, most)
    yield "</svg>\n"
    marks = [days[round(part * (len(days) - 1) / (LABELS - 1))] for part in range(LABELS)]
    labels = "".join(f"<span>{text(_date(day))}</span>" for day in marks)
    yield f'<div class="axis" aria-hidden="true">{labels}</div>\n'
    yield f"<figcaption>{text(_caption(days, most))}\n{LEGEND}</figcaption></figure>\n"


def _bar(number: int, day: Day, most: int) -> Iterator[str]:
    if not day.ends:
        return
    at_risk = _height(day.at_risk, most)
    renewed = _height(day.ends - day.at_risk, most)
    scale = min(1, HEIGHT / (at_risk + renewed))
    bottom = float(HEIGHT)
    title = f"{_date(day)}: {day.ends:,} end, {day.at_risk:,} at risk"
    yield f"<g><title>{text(title)}</title>"
    for name, height in (("risk", at_risk * scale), ("renewed", renewed * scale)):
        if height:
            bottom -= height
            yield (
                f'<rect class="{name}" x="{number * STEP + (STEP - BAR) // 2}" width="{BAR}" '
                f'y="{bottom:.2f}" height="{height:.2f}"/>'
            )
    yield "</g>\n"


def _height(number: int, most: int) -> float:
    return max(number * HEIGHT / most, LOWEST) if number else 0.0


def _caption(days: Sequence[Day], most: int) -> str:
    if not most:
        return "No certificate ends in this time."
    busiest = next(day for day in days if day.ends == most)
    return f"The highest bar is {_date(busiest)}, with {most:,}."


def _date(day: Day) -> str:
    return f"{day.date:%Y-%m-%d}"


def _key(name: str, label: str) -> str:
    return (
        f'<li><svg viewBox="0 0 8 8" aria-hidden="true"><rect class="{name}" width="8" height="8"/></svg>{label}</li>'
    )


LEGEND = (
    '<ul class="legend">'
    + _key("risk", "at risk: failing, paused, or not renewed automatically")
    + _key("renewed", "renewal planned")
    + "</ul>"
)
