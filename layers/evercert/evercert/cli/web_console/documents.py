"""Documents of the console: planned and applied as `evercert apply` does."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from evercert.cli import credentials, plan_text, terminal
from evercert.cli.console import Terminal
from evercert.cli.documents import make_plan, note_pauses
from evercert.cli.files import BadInput, Files
from evercert.cli.grid import PIPE
from evercert.cli.web_console.private_file import named_by_line, private_file
from evercert.console.document_service import DocumentPlan, InvalidInput
from evercert.operations.apply import Plan, carry_out

if TYPE_CHECKING:
    from evercert.cli.connection import Connection


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
        try:
            credentials.store(files, plan.credentials, self.connection, check_login=True)
        except BadInput as error:
            raise InvalidInput(error.lines) from error
        delay = carry_out(plan, self.connection.specs, self.connection.queue, terminal.now())
        late = () if delay is None else (f"{delay}; the schedule starts the work at its next tick",)
        notes = (*planned.notes, *late, *note_pauses(plan, self.connection))
        return DocumentPlan(planned.lines, notes, planned.names, planned.empty)

    def _read(self, text: str) -> tuple[Files, Plan, DocumentPlan]:
        with private_file(text) as file:
            try:
                files = Files([file])
                plan = make_plan(files, files.wanted(None), self.connection)
            except BadInput as error:
                raise InvalidInput([named_by_line(line, file) for line in error.lines]) from error
        notes = tuple(named_by_line(note, file) for note in (*files.notes, *plan.notes))
        names = tuple(step.name for step in plan.steps)
        return files, plan, DocumentPlan(tuple(_lines(plan)), notes, names, plan.empty)


def _lines(plan: Plan) -> list[str]:
    output = StringIO()
    plan_text.print_plan(Terminal(file=output, width=PIPE), plan)
    return output.getvalue().splitlines()
