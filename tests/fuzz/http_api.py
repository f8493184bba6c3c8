"""Calls of the authority's HTTP API that schemathesis makes from its OpenAPI document, in this process.

Half of the calls name objects that exist, so that they reach the code behind the first check. Each response must be
described by the document, and none may be a server error. `python -m tests.fuzz.http_api --count 20000` makes more.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.doubles.authority.client import CERTIFICATES, PROFILES
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.manager import APPLICATIONS, POLICIES, PROJECT, Manager
from tests.doubles.authority.server import CONTEXT, event_of

CHECKS = [response_schema_conformance, status_code_conformance, content_type_conformance]
NOT_OFFERED = 501
SERVER_ERROR = 500
MOST_ROUNDS = 20
MOST_OBJECTS = 300  # of one kind; a project may have 500
LEAST = 2  # the first call of an operation is the simplest one
# Fields of bodies that name an object, and its kind.
_NAMED = {
    "profileId": "profile", "certificatePolicyId": "policy", "certificateTemplateId": "policy", "caId": "ca",
    "projectId": "project", "applicationId": "application",
}  # fmt: skip
_UNSUPPORTED = ("estConfig", "scepConfig", "externalConfigs", "csr")
_SERVER = {
    "commonName": "www.example.com", "ttl": "30d", "keyAlgorithm": "EC_prime256v1", "signatureAlgorithm": "ECDSA-SHA256",
    "keyUsages": ["digital_signature"], "extendedKeyUsages": ["server_auth"],
}  # fmt: skip
_RULES = {
    "subject": [{"type": "common_name", "allowed": ["*"]}], "sans": [{"type": "dns_name", "allowed": ["*"]}],
    "keyUsages": {"allowed": ["digital_signature"]}, "extendedKeyUsages": {"allowed": ["server_auth"]},
    "algorithms": {"signature": ["SHA256-ECDSA"], "keyAlgorithm": ["ECDSA-P256"]},
}  # fmt: skip


@dataclass
class Api:
    """The authority behind WSGI; `statuses` counts its answers, `errors` has calls that met a server error."""

    manager: Manager
    statuses: Counter[int] = field(default_factory=Counter)
    errors: list[tuple[str, str, bytes, bytes]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        query = environ.get("QUERY_STRING")
        target = quote(path) + (f"?{query}" if query else "")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "application/json")
        event = event_of(environ["REQUEST_METHOD"], target, headers, body, encoded=True)
        with contextlib.redirect_stdout(io.StringIO()):
            answer = self.manager.gateway.handler(event, CONTEXT)
        text = answer.get("body", "")
        raw = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        status = answer["statusCode"]
        self.statuses[status] += 1
        if status >= SERVER_ERROR and status != NOT_OFFERED:
            self.errors.append((environ["REQUEST_METHOD"], target, body[:500], raw[:300]))
        sent = dict(answer.get("headers", {}))
        for name, values in answer.get("multiValueHeaders", {}).items():
            sent[name] = values[-1]
        start(f"{status} -", list(sent.items()))
        return [raw]

    def ids(self) -> dict[str, list[str]]:
        """Return the ids of existing objects by kind."""
        setting = self.manager.setting
        configuration, certificates = setting.configuration, setting.certificates
        logins = [one.universal for one in configuration.identities() if one.universal is not None]
        return {
            "policy": [one.id for one in configuration.policies()],
            "profile": [one.id for one in configuration.profiles()],
            "application": [one.id for one in configuration.applications()],
            "identity": [one.id for one in configuration.identities()],
            "secret": [one.id for login in logins for one in login.secrets],
            "certificate": list(certificates.certificates),
            "request": list(certificates.requests),
            "ca": [one.id for one in setting.cas.values()],
            "project": [PROJECT],
        }


def kind_of(path: str) -> str:
    """Return the kind of object that `{id}` names in a path."""
    marks = {
        "certificate-requests": "request", "/certificates/{id}": "certificate", "certificate-policies": "policy",
        "certificate-profiles": "profile", "acme-credentials": "profile", "/applications": "application",
        "/ca/internal": "ca", "/crl/": "ca",
    }  # fmt: skip
    return next((kind for mark, kind in marks.items() if mark in path), "identity")


class Planted:
    """Plants a policy, a profile, an application and a certificate, so that calls reach objects that exist.

    Calls delete them and change them, so that `replace` plants others after `lasts` calls.
    """

    def __init__(self, post: Callable[[str, Any], Any], project: str, slug: str, ca: str, *, lasts: int = 10) -> None:
        self._post, self._project, self._ca, self._lasts = post, project, ca, lasts
        self.names = {"projects": slug}  # by a part of the path
        self.ids: dict[str, str] = {}
        self._left, self._sets = 0, 0

    def replace(self) -> None:
        """Plant another set if enough calls were made with this one."""
        self._left -= 1
        if self._left > 0:
            return
        self._left, self._sets = self._lasts, self._sets + 1
        name = f"planted-{self._sets}"
        policy = self._post(POLICIES, {"projectId": self._project, "name": name, **_RULES})["certificatePolicy"]["id"]
        fields = {"projectId": self._project, "slug": name, "caId": self._ca, "certificatePolicyId": policy}
        profile = self._post(PROFILES, fields)["certificateProfile"]["id"]
        application = self._post(APPLICATIONS, {"projectId": self._project, "name": name, "profileIds": [profile]})
        self.ids = {"policy": policy, "profile": profile, "application": application["application"]["id"]}
        issued = self._post(CERTIFICATES, {"profileId": profile, "attributes": _SERVER})
        self.ids |= {"certificate": issued["certificate"]["certificateId"], "request": issued["certificateRequestId"]}
        self.names |= {"applications": name, "certificate-profiles": name}

    def name(self, path: str) -> str:
        """Return the name that `{name}` or `{slug}` in a path may have."""
        return next((name for part, name in self.names.items() if f"/{part}/" in path), "")


def name_existing(case: Any, ids: dict[str, list[str]], chance: random.Random, planted: Planted) -> None:
    """Let parts of a call name objects that exist, most often those that were planted."""

    def pick(kind: str) -> str:
        if kind in planted.ids and chance.random() < 0.7:
            return planted.ids[kind]
        return chance.choice(ids[kind]) if ids.get(kind) else ""

    kinds = {"id": kind_of(case.operation.path), "project": "project", "profile": "profile", "secret": "secret"}
    for name in case.path_parameters or {}:
        found = planted.name(case.operation.path) if name in {"name", "slug"} else pick(kinds.get(name, ""))
        if found and chance.random() < 0.85:
            case.path_parameters[name] = found
    if case.query and "projectId" in case.query and chance.random() < 0.7:
        case.query["projectId"] = pick("project")
    if not isinstance(case.body, dict):
        return
    for name, kind in _NAMED.items():
        if chance.random() < 0.6 and (chosen := pick(kind)):
            case.body[name] = chosen
    for name in _UNSUPPORTED:
        if chance.random() < 0.6:
            case.body.pop(name, None)
    if chance.random() < 0.5:
        case.body["slug"] = case.body["name"] = f"n{chance.randrange(40)}"
        case.body["defaults"] = None
    if "attributes" in case.body and chance.random() < 0.5:
        case.body["attributes"] = dict(_SERVER)
        case.body.pop("metadata", None)


def make_calls(schema: Any, count: int, number: int, send: Callable[[Any], None], made: Callable[[], int]) -> None:
    """Send equally many calls of each operation until at least `count` were made; some operations have few calls.

    A small `count` leaves operations out.
    """
    operations = [result.ok() for result in schema.get_all_operations()]
    if count < LEAST * len(operations):
        operations = random.Random(number).sample(operations, -(-count // LEAST))
    for attempt in range(MOST_ROUNDS):
        if (left := count - made()) <= 0:
            return
        for operation in operations:

            @seed(number + attempt)
            @settings(
                max_examples=max(-(-left // len(operations)), LEAST), deadline=None, database=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy())
            def call(case: Any) -> None:
                send(case)

            call()
    raise AssertionError(f"{made()} calls, not {count}")


def make_room(configuration: FakeConfiguration, kept: set[str]) -> None:
    """Remove the oldest objects but those in `kept` before a project is full: a long run would plant nothing more."""
    for listed in (configuration.applications(), configuration.profiles(), configuration.policies()):
        added = [one for one in listed if one.id not in kept]
        for one in added[: max(len(added) - MOST_OBJECTS, 0)]:
            configuration.remove(one)


def run(count: int, number: int) -> Api:
    """Make at least `count` calls in this process; raise AssertionError for the first wrong answer."""
    logging.disable(logging.CRITICAL)
    api = Api(Manager())
    chance = random.Random(number)
    first = {one for kind in ("policy", "profile", "application") for one in api.ids()[kind]}
    planted = Planted(api.manager.made, PROJECT, "shop", api.manager.ca("EC-issuing"))

    def send(case: Any) -> None:
        manager = api.manager
        manager.setting.configuration.put(manager.identity)  # an earlier call may have changed or deleted it
        manager.token = token = manager.setting.token(manager.identity)
        make_room(manager.setting.configuration, first)
        planted.replace()
        case.headers = {**(case.headers or {}), "authorization": f"Bearer {token}"}
        name_existing(case, api.ids(), chance, planted)
        response = case.call()
        assert not api.errors, api.errors[0]
        if response.status_code != NOT_OFFERED:
            case.validate_response(response, checks=CHECKS)

    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", api)
    make_calls(schema, count, number, send, lambda: sum(api.statuses.values()))
    logging.disable(logging.NOTSET)
    return api


def main() -> None:
    """Make calls and print the number of answers by status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000, help="calls, at least")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    number = random.randrange(2**32) if options.seed is None else options.seed
    print(f"HTTP API: seed {number}")
    began = time.monotonic()
    api = run(options.count, number)
    found = dict(sorted(api.statuses.items()))
    print(f"HTTP API: {sum(found.values())} calls in {time.monotonic() - began:.0f} s, statuses {json.dumps(found)}")


if __name__ == "__main__":
    main()
