"""Page of a document: its plan or its mistakes, and the text to edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.document_service import DocumentPlan, DocumentService, InvalidInput
from evercert.console.rendering import page


@dataclass(frozen=True)
class Paths:
    """Addresses of the forms that plan and apply this kind of document."""

    plan: str
    apply: str


def planned(request: Request, documents: DocumentService, document: str, paths: Paths) -> Response:
    """Plan the document, and return the page."""
    try:
        found = documents.plan(document)
    except InvalidInput as error:
        return document_page(request, document, paths, problems=error.lines)
    return document_page(request, document, paths, plan=found)


def document_page(
    request: Request, document: str, paths: Paths, *, plan: DocumentPlan | None = None, problems: Sequence[str] = ()
) -> Response:
    """Return the page; without plan and problems, only the text to edit."""
    values = {"document": document, "plan": plan, "problems": problems, "paths": paths}
    return page(request, "document.html", values, status=422 if problems else 200)
