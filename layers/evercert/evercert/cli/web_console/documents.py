"""Documents of the console: planned and applied as `evercert apply` does."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from evercert.cli import credentials, plan_text, terminal
from evercert.cli.console import Terminal
from evercert.cli.documents import make_plan
from evercert.cli.files import BadInput, Files
from evercert.cli.grid import PIPE
from evercert.console.services import BadDocument, DocumentPlan
from evercert.operations.apply import Plan, carry_out

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

NAME = "document.yaml"


@dataclass(frozen=True)
class Documents:
    """Plans and applies one document of text."""

    connection: Connection

    def plan(self, text: str) -> DocumentPlan:
        """Compare the document with the stack, read-only."""
        _, _, planned = self._read(text)
        return planned

    def apply(self, text: str) -> DocumentPlan:
        """Plan the document again, and write it."""
        files, plan, planned = self._read(text)
        credentials.store(files, plan.credentials, self.connection, check_login=True)
        error = carry_out(plan, self.connection.specs, self.connection.queue, terminal.now())
        late = () if error is None else (f"{error}; the schedule starts the work at its next tick",)
        return DocumentPlan(planned.lines, (*planned.notes, *late), planned.names, planned.empty)

    def _read(self, text: str) -> tuple[Files, Plan, DocumentPlan]:
        """Read the document from a private file, whose name the messages have."""
        with tempfile.TemporaryDirectory(prefix="evercert-") as folder:
            file = Path(folder) / NAME
            file.write_text(text, encoding="utf-8", errors="replace")
            try:
                files = Files([str(file)])
                plan = make_plan(files, files.wanted(None), self.connection)
            except BadInput as error:
                raise BadDocument([_placed(line, folder) for line in error.lines]) from error
        notes = tuple(_placed(note, folder) for note in (*files.notes, *plan.notes))
        names = tuple(step.name for step in plan.steps)
        return files, plan, DocumentPlan(tuple(_lines(plan)), notes, names, plan.empty)


def _placed(line: str, folder: str) -> str:
    return line.replace(f"{folder}/{NAME}:", "line ").replace(f"{folder}/{NAME}", "document")


def _lines(plan: Plan) -> list[str]:
    output = StringIO()
    plan_text.print_plan(Terminal(file=output, width=PIPE), plan)
    return output.getvalue().splitlines()
