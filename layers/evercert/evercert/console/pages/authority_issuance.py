"""Page that requests a certificate from the authority: the stack neither stores nor renews it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import get_args

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from evercert.console.authority_desk import IssuanceRequest, IssuedFiles
from evercert.console.context import context_of
from evercert.console.document_desk import BadDocument
from evercert.console.forms import form_of, lines, text
from evercert.console.pages.authority import desk_of
from evercert.console.rendering import page
from evercert.errors import EvercertError
from evercert.pki.algorithms import KeyAlgorithm

# The profile's default first; the API has no word for Ed25519.
ALGORITHMS = ["issuer", *(name for name in get_args(KeyAlgorithm) if name != "Ed25519")]
FIELDS = ("profile", "identity", "common-name", "alt-names", "ttl", "algorithm", "csr")


def show(request: Request) -> Response:
    """Return the empty form."""
    return _form_page(request, dict.fromkeys(FIELDS, ""))


def issue(request: Request) -> Response:
    """Request the certificate, and show it with its key; sending the form again returns the same certificate."""
    form = form_of(request)
    asked = _request_of(form)
    try:
        answer = desk_of(context_of(request)).issuance.issue(asked)
    except BadDocument as error:
        return _form_page(request, _values(form), error.lines)
    except EvercertError as error:
        return _form_page(request, _values(form), [str(error)])
    if isinstance(answer, IssuedFiles):
        return page(request, "issued_once.html", {"files": answer})
    return page(request, "issuance_waits.html", {"waiting": answer, "asked": asked})


def _form_page(request: Request, values: dict[str, str], problems: Sequence[str] = ()) -> Response:
    found = desk_of(context_of(request)).issuance.choices()
    more = {"choices": found, "values": values, "problems": problems, "algorithms": ALGORITHMS}
    # Another token for a corrected request: the authority may have stored the one that it refused.
    return page(request, "authority_issue.html", {**more, "token": str(uuid.uuid4())}, status=422 if problems else 200)


def _request_of(form: FormData) -> IssuanceRequest:
    is_own_csr = text(form, "made-by") != "authority"
    return IssuanceRequest(
        profile=text(form, "profile"),
        identity=text(form, "identity"),
        token=text(form, "token") or str(uuid.uuid4()),
        common_name=text(form, "common-name"),
        names=lines(form, "alt-names"),
        ttl=text(form, "ttl"),
        algorithm=text(form, "algorithm"),
        csr=text(form, "csr") if is_own_csr else "",
        request=text(form, "request"),
    )


def _values(form: FormData) -> dict[str, str]:
    return {field: text(form, field) for field in FIELDS}
