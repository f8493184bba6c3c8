"""Page of a new certificate: a form, the document that it makes, and the plan before anything is written."""

from __future__ import annotations

from typing import Any, get_args

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.document_page import Paths, document_page, planned
from evercert.console.document_service import InvalidInput
from evercert.console.document_text import to_text
from evercert.console.forms import form_of, lines, text
from evercert.console.rendering import page, redirect
from evercert.documents.document import VERSION
from evercert.pki.algorithms import KeyAlgorithm

ALGORITHMS = get_args(KeyAlgorithm)
PATHS = Paths(plan="/certificates/plan", apply="/certificates/apply")
# Settings of each type of destination that the form offers; the document may have more.
PLACES = {
    "secrets-manager": (("secret", "Name of the secret (default: from the certificate's name)"),),
    "acm": (("region", "Region (default: the stack's)"),),
    "ssm-parameter": (("parameter", "Name of the parameter (default: from the certificate's name)"),),
    "s3": (
        ("bucket", "Bucket"),
        ("key", "Key of the object (default: from the certificate's name)"),
        ("kms-key", "ARN of the KMS key"),
    ),
}


def show(request: Request) -> Response:
    """Return the empty form."""
    issuers = sorted(context_of(request).services.specs.issuers())
    return page(request, "new_certificate.html", {"issuers": issuers, "algorithms": ALGORITHMS, "places": PLACES})


def plan(request: Request) -> Response:
    """Make the document from the form, or take the edited one, and show what it would do."""
    context, form = context_of(request), form_of(request)
    edited = text(form, "document")
    document = edited or to_text(document_of(form))
    return planned(request, context.services.documents, document, PATHS)


def apply(request: Request) -> Response:
    """Apply the document."""
    context, document = context_of(request), text(form_of(request), "document")
    try:
        done = context.services.documents.apply(document)
    except InvalidInput as error:
        return document_page(request, document, PATHS, problems=error.lines)
    for note in done.notes:
        context.session.tell(note, "note")
    for name in done.names:
        context.inventory.update(name)
    context.session.tell("Nothing to change." if done.empty else "Applied; the stack works on it now.")
    if len(done.names) == 1:
        return redirect(context, "/certificate", name=done.names[0])
    return redirect(context, "/certificates")


def document_of(form: FormData) -> dict[str, Any]:
    """Return the document of the form; empty fields are left out, and nothing is checked here."""
    attributes: dict[str, Any] = {}
    csr = text(form, "csr")
    made_by = text(form, "made-by")
    if made_by != "evercert" and (csr or made_by):
        return _with_csr(form, csr)
    if common_name := text(form, "common-name"):
        attributes["common-name"] = common_name
    if names := lines(form, "alt-names"):
        attributes["alt-names"] = names
    if ttl := text(form, "ttl"):
        attributes["ttl"] = ttl
    certificate: dict[str, Any] = {"name": text(form, "name"), "issuer": text(form, "issuer"), "attributes": attributes}
    if (algorithm := text(form, "algorithm")) and algorithm != ALGORITHMS[0]:
        certificate["private-key"] = {"algorithm": algorithm}
    return _document_with(form, certificate)


def _with_csr(form: FormData, csr: str) -> dict[str, Any]:
    """Return the document of a CSR, which has the names and the key; its maker has the private key."""
    certificate: dict[str, Any] = {"name": text(form, "name"), "issuer": text(form, "issuer"), "csr": f"{csr}\n"}
    certificate["private-key"] = {"rotate": "never"}  # or nothing renews it
    if ttl := text(form, "ttl"):
        certificate["attributes"] = {"ttl": ttl}
    return _document_with(form, certificate)


def _document_with(form: FormData, certificate: dict[str, Any]) -> dict[str, Any]:
    """Return the document with what does not depend on the key."""
    if renew := text(form, "renew-before-expiry"):
        certificate["lifecycle"] = {"renew-before-expiry": renew}
    kind = text(form, "destination")
    settings = {field: value for field, _ in PLACES.get(kind, ()) if (value := text(form, f"{kind}-{field}"))}
    certificate["destinations"] = [{"type": kind, **settings}]
    if labels := lines(form, "labels", ",\n"):
        pairs = (one.partition("=") for one in labels)
        # The plan refuses a label without a value, and too many labels.
        certificate["labels"] = {key.strip(): value.strip() if equals else None for key, equals, value in pairs}
    return {"version": VERSION, "certificates": [certificate]}
