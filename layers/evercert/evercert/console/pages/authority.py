"""Pages of the authority: its configuration, requests that wait for an approval, and issued certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.authority_service import AuthorityService
from evercert.console.context import Context, context_of
from evercert.console.forms import form_of, text
from evercert.console.rendering import page, redirect
from evercert.errors import EvercertError, Misconfigured, Rejected
from evercert.pki.algorithms import KeyAlgorithm

ALGORITHMS = get_args(KeyAlgorithm)
MOST = 100  # certificates of a page


def show(request: Request) -> Response:
    """Return CAs, profiles, policies and identities."""
    context = context_of(request)
    if context.services.authority is None:
        return page(request, "no_authority.html")
    return page(request, "authority.html", {"tables": context.services.authority.tables()})


def requests(request: Request) -> Response:
    """Return the requests that wait for an approval."""
    return page(request, "requests.html", {"waiting": authority_of(context_of(request)).waiting()})


def decide(request: Request) -> Response:
    """Approve or reject a request."""
    context, form = context_of(request), form_of(request)
    approved = text(form, "decision") == "approve"
    try:
        state = authority_of(context).decide(text(form, "request"), text(form, "reason"), approved=approved)
    except EvercertError as error:
        context.session.tell(str(error), "error")
    else:
        context.session.tell(f"{'Approved' if approved else 'Rejected'}: {state}.")
    return redirect(context, "/authority/requests")


def plan_ca(request: Request) -> Response:
    """Return the form of a new CA, and its plan if the form was sent; the command line creates it."""
    query = request.query_params
    name, algorithm = query.get("name", "").strip(), query.get("algorithm", ALGORITHMS[0])
    plan, problem = None, ""
    if name:
        try:
            plan = authority_of(context_of(request)).plan_ca(name, algorithm)
        except Rejected as error:
            problem = str(error)
    values = {"plan": plan, "problem": problem, "name": name, "algorithm": algorithm, "algorithms": ALGORITHMS}
    return page(request, "new_ca.html", values, status=422 if problem else 200)


def issued(request: Request) -> Response:
    """Return issued certificates: those that end soonest, or those that a search finds."""
    authority, search = authority_of(context_of(request)), request.query_params.get("search", "").strip()
    found: Sequence[Mapping[str, Any]] = ()
    problem = ""
    try:
        found = authority.issued(search, MOST)
    except Rejected as error:
        problem = str(error)
    values = {"issued": found, "search": search, "problem": problem, "most": MOST}
    return page(request, "issued.html", values, status=422 if problem else 200)


def chain(request: Request) -> Response:
    """Return an issued certificate with its issuers as a file."""
    certificate = request.query_params.get("certificate", "")
    headers = {"Content-Disposition": 'attachment; filename="fullchain.pem"'}
    text = authority_of(context_of(request)).chain(certificate)
    return Response(text, media_type="application/x-pem-file", headers=headers)


def revoke(request: Request) -> Response:
    """Revoke a certificate, if its serial number was typed."""
    context, form = context_of(request), form_of(request)
    typed = text(form, "typed").lower()
    if not typed or typed != text(form, "serial").lower():
        context.session.tell("Nothing was revoked: the typed serial number differs; type it exactly.", "error")
        return redirect(context, "/authority/issued")
    try:
        listed = authority_of(context).revoke(text(form, "certificate"), text(form, "reason"))
    except EvercertError as error:
        context.session.tell(str(error), "error")
    else:
        context.session.tell(
            "Revoked; the published CRL lists it." if listed else "Revoked; no published CRL lists it yet."
        )
    return redirect(context, "/authority/issued")


def authority_of(context: Context) -> AuthorityService:
    """Return the authority; raise Misconfigured if the stack has none."""
    if context.services.authority is None:
        raise Misconfigured("the stack has no authority: deploy it with the parameter Authority=yes")
    return context.services.authority
