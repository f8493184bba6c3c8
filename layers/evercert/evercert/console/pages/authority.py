"""Pages of the authority: its configuration, requests that wait for an approval, and issued certificates."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import Context, context_of
from evercert.console.forms import form_of, text
from evercert.console.rendering import page, redirect
from evercert.console.services import AuthorityDesk
from evercert.errors import EvercertError, Misconfigured


def show(request: Request) -> Response:
    """Return CAs, profiles, policies and identities."""
    context = context_of(request)
    if context.services.authority is None:
        return page(request, "no_authority.html")
    return page(request, "authority.html", {"tables": context.services.authority.tables()})


def requests(request: Request) -> Response:
    """Return the requests that wait for an approval."""
    return page(request, "requests.html", {"waiting": _desk(context_of(request)).waiting()})


def decide(request: Request) -> Response:
    """Approve or reject a request."""
    context, form = context_of(request), form_of(request)
    approved = text(form, "decision") == "approve"
    try:
        state = _desk(context).decide(text(form, "request"), text(form, "reason"), approved=approved)
    except EvercertError as error:
        context.session.tell(str(error), "error")
    else:
        context.session.tell(f"{'Approved' if approved else 'Rejected'}: {state}.")
    return redirect(context, "/authority/requests")


def issued(request: Request) -> Response:
    """Return the certificates that the authority issued last."""
    return page(request, "issued.html", {"issued": _desk(context_of(request)).issued()})


def revoke(request: Request) -> Response:
    """Revoke a certificate, if its serial number was typed."""
    context, form = context_of(request), form_of(request)
    if text(form, "typed").lower() != text(form, "serial").lower():
        context.session.tell("The serial number that you typed is another one; nothing was revoked.", "error")
        return redirect(context, "/authority/issued")
    try:
        _desk(context).revoke(text(form, "certificate"), text(form, "reason"))
    except EvercertError as error:
        context.session.tell(str(error), "error")
    else:
        context.session.tell("Revoked; the next CRL lists it.")
    return redirect(context, "/authority/issued")


def _desk(context: Context) -> AuthorityDesk:
    if context.services.authority is None:
        raise Misconfigured("the stack has no authority: deploy it with the parameter Authority=yes")
    return context.services.authority
