"""Readers of an ACME issuer: its definition, and every call against changed answers of a CA."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evercert.contracts.issuer import Issued, Request
from evercert.contracts.record import Facts
from evercert.errors import EvercertError, Misconfigured
from evercert.http_client.response import Content, Response
from evercert.issuers.acme.issuer import Acme
from evercert.issuers.acme.settings import AcmeSettings
from evercert.issuers.context import AcmeContext, IssuerContext
from evercert.pki.certificate import Chain, to_pem
from evercert.schema import printable
from evercert.solvers.context import RegisteredSolvers, SolverContext
from tests.doubles.acme import FakeAccounts, FakeAnswers, FakeOrderBuckets, no_kms
from tests.doubles.credential_reader import Vault
from tests.doubles.fakes import START, FakeSeal, HandClock, spec
from tests.fuzz.changes import changed_tree
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import KEY, chain

CA = "https://acme.example"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
MOST_STEPS = 12


class Server:
    """A CA that answers each URL with its entries of a script, one after the other; the last one remains."""

    def __init__(self, script: Any) -> None:
        self._script = {url: list(entries) for url, entries in script.items() if isinstance(entries, list)}

    def server(self, *_: Any, **__: Any) -> Server:
        return self

    def sleep(self, *_: Any) -> None:
        pass

    def exchange(self, method: str, url: str, content: Callable[[], Content] | None = None, **_: Any) -> Response:
        if not url.startswith(f"{CA}/") or not url.isascii() or not url.isprintable():  # as the HTTP client does
            raise Misconfigured(f"invalid URL {printable(url, 200)!r}")
        if content is not None:
            content()
        entries = self._script.get(url) or [{}]
        found = entries.pop(0) if len(entries) > 1 else entries[0]
        found = found if isinstance(found, dict) else {}
        status, headers, body = found.get("status"), found.get("headers"), found.get("body")
        headers = headers if isinstance(headers, dict) else {}
        return Response(
            status if isinstance(status, int) else 200,
            {"replay-nonce": "bm9uY2U", **{str(name): str(value) for name, value in headers.items()}},
            body.encode("utf-8", "replace") if isinstance(body, str) else json.dumps(body).encode(),
            f"{method} {url}",
        )


def answer(body: Any, status: int = 200, **headers: str) -> dict[str, Any]:
    return {
        "status": status,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "body": body,
    }


def order(status: str, **more: Any) -> dict[str, Any]:
    return answer(
        {
            "status": status,
            "expires": "2026-01-22T12:00:00Z",
            "finalize": f"{CA}/finalize",
            "authorizations": [f"{CA}/authorization"],
            **({"certificate": f"{CA}/certificate"} if status == "valid" else {}),
            **more,
        },
        retry_after="1",
    )


def script() -> dict[str, Any]:
    """Return the answers for an order from its beginning to its certificate."""
    root, issuing, last = (entity.certificate for entity in chain())
    challenge = {"type": "http-01", "url": f"{CA}/challenge", "status": "pending", "token": TOKEN}
    authorization = {
        "status": "pending",
        "identifier": {"type": "dns", "value": "www.example.com"},
        "expires": "2026-01-22T12:00:00Z",
        "challenges": [challenge],
    }
    directory = {
        "newNonce": f"{CA}/nonce",
        "newAccount": f"{CA}/account",
        "newOrder": f"{CA}/new-order",
        "revokeCert": f"{CA}/revoke",
        "renewalInfo": f"{CA}/renewal",
        "meta": {"profiles": {"tls": "90 days"}},
    }
    window = {"start": "2026-02-01T00:00:00Z", "end": "2026-02-02T00:00:00Z"}
    return {
        f"{CA}/dir": [answer(directory)],
        f"{CA}/nonce": [answer("")],
        f"{CA}/account": [answer({"status": "valid"}, 201, location=f"{CA}/account/1")],
        f"{CA}/new-order": [answer(order("pending")["body"], 201, location=f"{CA}/order")],
        f"{CA}/order": [order("pending"), order("pending"), order("pending"), order("ready"), order("processing"), order("valid")],
        f"{CA}/authorization": [answer(authorization)],
        f"{CA}/challenge": [answer({**challenge, "status": "processing"}, retry_after="1")],
        f"{CA}/finalize": [order("processing")],
        f"{CA}/certificate": [answer(to_pem([last, issuing, root]), link=f'<{CA}/other>;rel="alternate"')],
        f"{CA}/other": [answer(to_pem([last, issuing]))],
        f"{CA}/revoke": [answer("")],
        f"{CA}/renewal/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE": [
            answer({"suggestedWindow": window, "explanationURL": f"{CA}/why"}, retry_after="21600")
        ],
    }  # fmt: skip


def scripts() -> list[Any]:
    """Return the script of an issued certificate, of a failed validation, and of a refused order."""
    failed, refused = script(), script()
    problem = {"type": "urn:ietf:params:acme:error:dns", "detail": "no record", "status": 400}
    failed[f"{CA}/order"] = [order("pending"), order("pending"), order("pending"), order("invalid", error=problem)]
    refused[f"{CA}/new-order"] = [answer({**problem, "subproblems": [{**problem, "identifier": {"type": "dns", "value": "a"}}]}, 403)]  # fmt: skip
    return [script(), failed, refused]


def opened(tree: Any) -> Acme:
    """Return an issuer of a CA with these answers."""
    clock = HandClock()
    solvers = RegisteredSolvers(SolverContext(FakeAnswers(clock)))
    acme = AcmeContext(FakeAccounts(), FakeSeal(), solvers, FakeOrderBuckets(), no_kms)
    context = IssuerContext(Server(tree), Vault().credentials, None, clock, acme)  # type: ignore[arg-type]
    settings = AcmeSettings.model_validate(
        {"directory": f"{CA}/dir", "preferred-chain": "other", "solvers": [{"type": "http-01"}]}
    )
    return Acme(settings, lambda: context)


def read_answers(tree: Any) -> None:
    """Take an order as far as it goes, and make every other call."""
    issuer, wanted = opened(tree if isinstance(tree, dict) else {}), spec()
    facts = Facts.of(Chain(tuple(entity.certificate for entity in reversed(chain()))), 1, START)
    facts = facts.model_copy(update={"reference": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"})
    request = Request("web", wanted, KEY.sign_csr(wanted.attributes), 1, "token", START, previous=facts)
    for _ in range(MOST_STEPS):
        try:
            found = issuer.issue(request)
        except EvercertError as error:
            assert str(error).isprintable()
            break
        if isinstance(found, Issued):
            assert found.chain.certificates
            break
        request = replace(request, handle=found.handle)
    issuer.advise(facts, START)
    calls: list[Callable[[], object]] = [issuer.reach, lambda: issuer.revoke(Chain((chain()[-1].certificate,)), None)]
    if request.handle is not None:
        calls.append(lambda: issuer.cancel(str(request.handle)))
    for call in calls:
        try:
            call()
        except EvercertError:
            continue


def settings() -> list[Any]:
    return [
        {"directory": f"{CA}/dir", "email": "a@example.com", "profile": "tls", "solvers": [{"type": "http-01", "zones": ["example.com"]}]},
        {
            "directory": f"{CA}/dir",
            "external-account": {"key-id": "kid", "hmac-key": {"aws-secret": "evercert/credentials/x"}},
            "solvers": [{"type": "http-01", "names": ["www.example.com"]}, {"type": "route53", "zone-id": "Z0123456789ABC"}],
        },
    ]  # fmt: skip


READERS = [
    Reader("answers of an ACME CA", scripts, read_answers, changed_tree, (EvercertError,), cost=20),
    Reader("definition of an ACME issuer", settings, AcmeSettings.model_validate, changed_tree, (ValueError,), cost=3),
]
