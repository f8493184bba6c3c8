"""The page of the report, in pieces: a caller writes each one, so that a large stack needs little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from evercert import __version__
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.operations import pause_notes
from evercert.operations.ages import relative
from evercert.operations.escapes import quoted
from evercert.operations.overview import BROKEN, Overview, Row, overview, state_of
from evercert.operations.report.chart import chart
from evercert.operations.report.markup import header_row, isolated, row, text
from evercert.operations.report.rows import NEXT_STEPS, rows
from evercert.operations.report.style import POLICY, STYLE
from evercert.operations.row_note import note
from evercert.operations.weeks import others, weeks

WARNED = ("paused", "pending")
GOOD = "ready"


@dataclass(frozen=True)
class Report:
    """The certificates of a stack at one time, with its pauses in words; `selection` says which ones, if not all."""

    stack: str
    region: str
    at: datetime
    rows: Sequence[Row]
    pauses: Sequence[str] = ()
    selection: str = ""

    @classmethod
    def of(
        cls,
        stack: str,
        region: str,
        at: datetime,
        records: Iterable[Record | Unreadable],
        pauses: Mapping[PauseTarget, Pause],
        *,
        selection: str = "",
    ) -> Self:
        """Return the report on these records; they are read here."""
        words = [f"{line}; to resume it, run: {command}" for line, command in pause_notes.describe(pauses)]
        return cls(stack, region, at, list(rows(records, pauses, at)), words, selection)


def render(report: Report) -> Iterator[str]:
    """Yield the page; it is ASCII, whatever the text of others holds."""
    found = overview(report.rows, report.at)
    yield from _head(report)
    yield '<div class="numbers-first">\n'
    yield from _states(found)
    yield from _attention(report, found)
    yield '</div>\n<div class="picture-first">\n'
    yield from _timeline(report, found)
    yield "</div>\n"
    yield from _inventory(report)
    yield "</main>\n</body>\n</html>\n"


def _head(report: Report) -> Iterator[str]:
    title = f"Certificates of {report.stack}"
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Certificates of {isolated(report.stack)}</h1>
<p class="soft">Generated <time datetime="{report.at:%Y-%m-%dT%H:%M:%SZ}">{report.at:%Y-%m-%d %H:%M} UTC</time> by
evercert {text(__version__)}, {text(report.region)}. All times are UTC.</p>
"""
    if report.selection:
        yield f"<p><strong>Only certificates that match:</strong> {isolated(report.selection)}</p>\n"
    for line in report.pauses:
        yield f'<p class="pause">{isolated(line)}</p>\n'
    yield "</header>\n<main>\n"


def _states(found: Overview) -> Iterator[str]:
    yield '<section>\n<h2>By state</h2>\n<table class="numbers">\n'
    yield f"<caption>Total: {found.total:,}</caption>\n{header_row('State', 'Certificates')}<tbody>\n"
    for state, number in found.states.items():
        yield row(_state(state), [f"{number:,}"])
    yield "</tbody></table>\n</section>\n"


def _attention(report: Report, found: Overview) -> Iterator[str]:
    yield "<section>\n<h2>Needs attention first</h2>\n"
    if not found.attention:
        yield '<p class="good">Nothing.</p>\n</section>\n'
        return
    yield '<ul class="first">\n'
    for each in found.attention:
        end = _moment(each.get("not_after"), report.at)
        yield f"<li><h3>{isolated(quoted(str(each['name'])))}</h3>\n<p>{_state(state_of(each))}"
        yield f", ends {end}</p>\n" if end else "</p>\n"
        if problem := note(each, report.at):
            yield f"<p>Problem: {isolated(problem)}</p>\n"
        for step in each.get(NEXT_STEPS, ()):
            yield f"<p>Next step: {isolated(step)}</p>\n"
        yield "</li>\n"
    yield "</ul>\n"
    if found.more:
        yield f"<p>Not listed here: {found.more:,} more, which the inventory has.</p>\n"
    yield "</section>\n"


def _timeline(report: Report, found: Overview) -> Iterator[str]:
    yield f"<section>\n<h2>Ends in the next {len(found.days)} days</h2>\n"
    yield from chart(found.days)
    yield '</section>\n<section>\n<h2>By week</h2>\n<table class="numbers">\n<caption>Certificates that end</caption>\n'
    yield f"{header_row('Week of', 'Ends', 'At risk')}<tbody>\n"
    for week in weeks(found.days):
        risk = f'<span class="bad">{week.at_risk:,}</span>' if week.at_risk else "0"
        yield row(f"{week.first:%Y-%m-%d}", [f"{week.ends:,}", risk])
    yield "</tbody></table>\n"
    if more := ", ".join(others(report.rows, found.days)):
        yield f'<p class="soft">Not shown: {text(more)}</p>\n'
    yield "</section>\n"


def _inventory(report: Report) -> Iterator[str]:
    yield '<h2 id="all">Inventory</h2>\n<div class="scroll" role="region" aria-labelledby="all" tabindex="0">\n'
    yield f'<table class="all">\n<caption>Certificates by name: {len(report.rows):,}</caption>\n'
    yield f"{header_row('Certificate', 'State', 'Issuer', 'Ends', 'Renews', 'Note')}<tbody>\n"
    for each in report.rows:
        renews = each.get("next_look_at" if each.get("requested") else "renew_at")
        cells = [
            _state(state_of(each)),
            text(each.get("issuer") or ""),
            _moment(each.get("not_after"), report.at),
            _moment(renews, report.at),
            text(note(each, report.at)),
        ]
        yield row(text(quoted(str(each["name"]))), cells)
    yield "</tbody></table>\n</div>\n"


def _state(state: str) -> str:
    style = "bad" if state in BROKEN else "warn" if state in WARNED else "good" if state == GOOD else "soft"
    return f'<span class="{style}">{text(state)}</span>'


def _moment(at: object, now: datetime) -> str:
    if at is None:
        return ""
    moment = datetime.fromisoformat(str(at))
    return text(f"{moment:%Y-%m-%d %H:%M} ({relative(moment, now)})")
