"""Documents of the authority in the console: planned and applied as `evercert authority apply` does."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from evercert.cli.authority import documents
from evercert.cli.console import Terminal
from evercert.cli.files import BadInput
from evercert.cli.grid import PIPE
from evercert.cli.web_console.private_file import named_by_line, private_file
from evercert.console.document_service import DocumentPlan, InvalidInput
from evercert.errors import Rejected

if TYPE_CHECKING:
    from evercert.cli.authority.connection import AuthorityConnection
    from evercert.cli.authority.document_plan import Step


@dataclass(frozen=True)
class AuthorityDocuments:
    """Plans and applies one document of text."""

    authority: AuthorityConnection

    def text_of(self, profile: str) -> str:
        """Return a profile as a document that can be applied."""
        try:
            return documents.text_of(documents.profile_of(self.authority, profile), plain=True)
        except BadInput as error:
            raise Rejected(str(error)) from error

    def plan(self, text: str) -> DocumentPlan:
        """Compare the document with the configuration, read-only."""
        return self._read(text)[1]

    def apply(self, text: str) -> DocumentPlan:
        """Plan the document again, and write it."""
        steps, planned = self._read(text)
        self.authority.configuration.write(*(step.item for step in steps if step.verb != "unchanged"))
        return planned

    def _read(self, text: str) -> tuple[list[Step], DocumentPlan]:
        with private_file(text) as file:
            try:
                steps, notes = documents.make_plan(self.authority, documents.load_all([file]))
            except BadInput as error:
                raise InvalidInput([named_by_line(line, file) for line in error.lines]) from error
        output = StringIO()
        documents.print_plan(Terminal(file=output, width=PIPE), steps)
        changed = any(step.verb != "unchanged" for step in steps)
        return steps, DocumentPlan(tuple(output.getvalue().splitlines()), tuple(notes), (), not changed)
