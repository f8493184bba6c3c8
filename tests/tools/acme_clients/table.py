"""Tables of clients in docs/reference/acme-clients.md, from what the tests saw.

Each test of a client stores its results in .local/acme-clients and fails if the page says something else.
`python -m tests.tools.acme_clients.table --write` writes the page.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, dataclass

from tests.tools.acme_clients.all_clients import CLIENTS
from tests.tools.acme_clients.operations import OPERATIONS
from tests.tools.local_stack import ROOT

PAGE = ROOT / "docs" / "reference" / "acme-clients.md"
RESULTS = ROOT / ".local" / "acme-clients"
WRITE = "run python -m tests.tools.acme_clients.table --write"


@dataclass(frozen=True)
class Result:
    """Results of a test: of each operation, and the commands up to the first certificate."""

    name: str
    version: str
    source: str
    operations: dict[str, str]
    example: str

    @property
    def title(self) -> str:
        """The client with its version."""
        return f"{self.name} {self.version}"

    def row(self) -> str:
        """Return the client's row of the table."""
        cells = (self.operations[name] for name in OPERATIONS)
        return f"| {self.title} | {self.source} | {' | '.join(cells)} |\n"

    def section(self) -> str:
        """Return the section with the client's commands."""
        return f"### {self.title}\n\n```\n{self.example}\n```\n"

    def store(self) -> None:
        """Store the result for `--write`."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        file = RESULTS / f"{re.sub(r'[^a-z0-9.]+', '-', self.title.lower())}.json"
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def problems(self, page: str) -> list[str]:
        """Return what the page does not say; empty if it says what the test saw."""
        parts = {"table of {} differs": self.row(), "commands of {} differ": self.section()}
        return [
            f"{PAGE.relative_to(ROOT)}: the {message.format(self.title)}: {WRITE}"
            for message, text in parts.items()
            if text not in page
        ]


def table(results: list[Result]) -> str:
    """Return the table clients and operations."""
    head = f"| client | from | {' | '.join(OPERATIONS)} |\n| --- | --- |{' --- |' * len(OPERATIONS)}\n"
    return head + "".join(one.row() for one in results)


def stored() -> list[Result]:
    """Return the stored results, in the order of the clients."""
    found = [Result(**json.loads(file.read_text())) for file in RESULTS.glob("*.json")]
    titles = [f"{one.name} {one.version}" for one in CLIENTS]
    return sorted((one for one in found if one.title in titles), key=lambda one: titles.index(one.title))


def written(page: str, results: list[Result]) -> str:
    """Return the page with these results; sections of clients that did not run remain."""
    parts = {"operations": table(results), "commands": "\n".join(one.section() for one in results)}
    for name, text in parts.items():
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->\n"
        head, _, rest = page.partition(begin)
        page = f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page


def main() -> int:
    """Write the page with `--write`; otherwise print what differs from the stored results."""
    results = stored()
    missing = {f"{one.name} {one.version}" for one in CLIENTS} - {one.title for one in results}
    if sys.argv[1:] == ["--write"]:
        if missing:
            print(f"no results of {', '.join(sorted(missing))}: run make peers")
            return 1
        PAGE.write_text(written(PAGE.read_text(), results))
        return 0
    found = [problem for one in results for problem in one.problems(PAGE.read_text())]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
