"""Pages that request a certificate from the authority, which the stack neither delivers nor follows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import get_args

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.authority_service import IssuanceChoices, IssuanceRequest, IssuedFiles, PendingRequest
from evercert.console.context import context_of
from evercert.console.document_service import InvalidInput
from evercert.console.forms import form_of, separated, text
from evercert.console.pages.authority import authority_of
from evercert.console.rendering import page, redirect
from evercert.errors import EvercertError, GaveUp, Rejected, Unavailable
from evercert.pki.algorithms import KeyAlgorithm

# The profile's default first; the API has no word for Ed25519.
ALGORITHMS = ["issuer", *(name for name in get_args(KeyAlgorithm) if name != "Ed25519")]
AUTHORITY, BROWSER, CSR = "authority", "browser", "csr"  # who generates the key
FIELDS = ("profile", "identity", "token", "made-by", "common-name", "alt-names", "ttl", "algorithm", "csr")
Values = Mapping[str, str]


def show(request: Request) -> Response:
    """Return the empty form."""
    return _form_page(request, {**dict.fromkeys(FIELDS, ""), "made-by": AUTHORITY, "token": _token()})


def issue(request: Request) -> Response:
    """Request the certificate, and show it with its key; the same form never issues a second certificate."""
    context, values = context_of(request), _values(request)
    try:
        answer = authority_of(context).issuance.issue(_request_of(values))
    except (InvalidInput, Rejected, GaveUp) as error:  # another request may follow
        lines = error.lines if isinstance(error, InvalidInput) else [str(error)]
        return _form_page(request, {**values, "token": _token()}, lines)
    except EvercertError as error:
        # The request may have arrived: the next attempt must be the same one, also for a key of the browser.
        source = CSR if values["csr"] and values["made-by"] == BROWSER else values["made-by"]
        return _form_page(
            request, {**values, "made-by": source}, [str(error)], may_have_arrived=isinstance(error, Unavailable)
        )
    if isinstance(answer, PendingRequest):
        asked = {**values, "made-by": CSR if values["csr"] else AUTHORITY}
        approval = "yes" if answer.needs_approval else ""
        return redirect(context, "/authority/issue/request", **asked, id=answer.id, approval=approval)
    return page(request, "issuance_done.html", {"files": answer})


def show_request(request: Request) -> Response:
    """Return the page of a pending request, whose address has all that is needed to fetch the certificate."""
    query = request.query_params
    return _request_page(request, {field: query.get(field, "") for field in (*FIELDS, "id", "approval")})


def fetch(request: Request) -> Response:
    """Fetch the certificate of a pending request."""
    values = {**_values(request), **{field: text(form_of(request), field) for field in ("id", "approval")}}
    try:
        answer = authority_of(context_of(request)).issuance.issue(_request_of(values, values["id"]))
    except (InvalidInput, EvercertError) as error:
        return _request_page(request, values, str(error), status=409 if isinstance(error, Rejected) else 502)
    if isinstance(answer, IssuedFiles):
        return page(request, "issuance_done.html", {"files": answer})
    return _request_page(request, {**values, "approval": "yes" if answer.needs_approval else ""}, is_waiting=True)


def _form_page(
    request: Request, values: Values, problems: Sequence[str] = (), *, may_have_arrived: bool = False
) -> Response:
    """Return the form; the fields of a person survive an error, also of the login to AWS."""
    try:
        choices = authority_of(context_of(request)).issuance.choices()
    except EvercertError as error:
        choices = IssuanceChoices([values["profile"]], {values["identity"]: values["identity"]})
        problems = [*problems, str(error)]
    found = {"choices": choices, "values": values, "problems": problems, "algorithms": ALGORITHMS}
    found["may_have_arrived"] = may_have_arrived
    return page(request, "issuance_form.html", found, status=422 if problems else 200)


def _request_page(
    request: Request, values: Values, problem: str = "", *, is_waiting: bool = False, status: int = 200
) -> Response:
    found = {"values": values, "fields": FIELDS, "problem": problem, "is_waiting": is_waiting}
    return page(request, "issuance_request.html", found, status=status)


def _request_of(values: Values, request_id: str = "") -> IssuanceRequest:
    """Return the request of the form; raise InvalidInput if key and choice contradict each other."""
    source, csr = values["made-by"], values["csr"]
    if source not in (AUTHORITY, BROWSER, CSR):
        raise InvalidInput(["private key: choose who generates it"])
    if source == AUTHORITY and csr:
        raise InvalidInput(["a certificate signing request is pasted: choose that you have one, or remove it"])
    if source != AUTHORITY and not csr:
        raise InvalidInput(["certificate signing request: missing; paste it, or let the authority generate the key"])
    return IssuanceRequest(
        profile=values["profile"],
        identity=values["identity"],
        token=values["token"] or _token(),
        common_name=values["common-name"],
        names=separated(values["alt-names"]),
        ttl=values["ttl"],
        algorithm=values["algorithm"],
        csr=csr,
        request_id=request_id,
    )


def _values(request: Request) -> dict[str, str]:
    found = {field: text(form_of(request), field) for field in FIELDS}
    if "PRIVATE KEY" in found["csr"]:  # pasted by mistake: the page does not return it
        found["csr"] = ""
    return found


def _token() -> str:
    return str(uuid.uuid4())
