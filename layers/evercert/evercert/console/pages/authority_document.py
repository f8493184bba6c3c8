"""Page of the authority's documents: create and edit policies and profiles."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.document_page import Paths, document_page, planned
from evercert.console.document_service import InvalidInput
from evercert.console.forms import form_of, text
from evercert.console.pages.authority import authority_of
from evercert.console.rendering import redirect

CAS = "issuing-ec, issuing-rsa"  # replaced by the stack's own
PATHS = Paths(plan="/authority/plan", apply="/authority/apply")
# A profile for web servers; the plan names what does not fit the stack.
START = """\
version: authority/v1

policies:
  web-servers:
    preset: tls-server
    sans:
      - type: dns_name
        allowed: ["*.example.com"]

profiles:
  - project: my-project
    slug: web-servers
    cas: [issuing-ec, issuing-rsa]
    policy: web-servers
    api:
      auto-renew: true
      renew-before-days: 30
"""


def show(request: Request) -> Response:
    """Return the document of a profile, or one to begin with."""
    authority, profile = authority_of(context_of(request)), request.query_params.get("profile")
    if profile:
        return document_page(request, authority.documents.text_of(profile), PATHS)
    names = [ca.title for ca in authority.tables().cas if ("Kind", "issuing") in ca.facts and ca.status == "active"]
    return document_page(request, START.replace(CAS, ", ".join(names) or CAS), PATHS)


def plan(request: Request) -> Response:
    """Show what the document would change."""
    return planned(request, authority_of(context_of(request)).documents, text(form_of(request), "document"), PATHS)


def apply(request: Request) -> Response:
    """Apply the document."""
    context, document = context_of(request), text(form_of(request), "document")
    try:
        done = authority_of(context).documents.apply(document)
    except InvalidInput as error:
        return document_page(request, document, PATHS, problems=error.lines)
    for note in done.notes:
        context.session.tell(note, "note")
    context.session.tell("Nothing to change." if done.empty else "Applied.")
    return redirect(context, "/authority")
