"""Replay what clients of Infisical send, against the authority and against the double of Infisical's server.

The transcripts are in tests/samples/clients. `reads` lists the fields that the client reads, by path; `<kind>` stands
for any value of a kind, `{name}` for a value of this run, `keeps` names values for the following calls.
"""

from __future__ import annotations

import json
import re
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from evercert import durations
from evercert.authority.logins.sts_request import BODY
from evercert.pki.attributes import Attributes
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.client import csr
from tests.doubles.authority.server import Authority
from tests.doubles.authority.sts import ARN, KEY, SECRET, SESSION, Asking
from tests.doubles.fakes import HandClock
from tests.doubles.infisical import Planted
from tests.tools.local_stack import ROOT

TRANSCRIPTS = sorted((ROOT / "tests" / "samples" / "clients").glob("*.yaml"))
FORM = "application/x-www-form-urlencoded"
NAMES = {"project": "my-project", "application": "my-app", "profile": "tls-server", "organization": "my-organization"}
# cert-manager requests these usages by default, for keys of every algorithm.
OF_CERT_MANAGER = Attributes.model_validate(
    {"alt-names": ["www.example.com"], "key-usages": ["digital_signature", "key_encipherment"]}
)
ROLE = "arn:aws:iam::123456789012:role/evercert-issuer"


class Stage:
    """A server, its clock, and the values that a client has configured."""

    def __init__(self, name: str, address: str, clock: HandClock, values: dict[str, str]) -> None:
        self.name, self.clock = name, clock
        self.host = urlsplit(address).netloc
        self.values = {**NAMES, **values, "csr": csr()[1], "unknownId": str(uuid.uuid4()), "signature": "ECDSA-SHA256"}
        self.values["csrOfCertManager"] = PrivateKey.generate("EC_prime256v1").sign_csr(OF_CERT_MANAGER)
        self.values["iamRequestBody"] = b64encode(BODY).decode()

    def prove(self, proof: dict[str, list[str]]) -> None:
        """Sign a request to STS and keep it as the client sends it."""
        asking = Asking(self.clock(), server=None)
        names = ("host", "content-type", "content-length", "x-amz-date", "x-amz-security-token")
        unsigned = tuple(name for name in names if name not in proof["signs"])
        headers = asking.headers(unsigned, Content_Length=str(len(BODY)))
        sent = {name: value for name, value in headers.items() if name.lower() in proof["sends"]}
        self.values["iamRequestHeaders"] = b64encode(json.dumps(sent).encode()).decode()

    def filled(self, value: Any) -> Any:
        """Return a value of a transcript with the values of this run."""
        if isinstance(value, dict):
            return {key: self.filled(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.filled(part) for part in value]
        if not isinstance(value, str):
            return value
        return re.sub(r"\{(\w+)\}", lambda found: self.values[found[1]], value)

    def send(self, call: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        method, target = self.filled(call["call"]).split(" ")
        sent = {**headers, **call.get("headers", {})}
        body = None
        if "json" in call:
            sent["content-type"], body = "application/json", json.dumps(self.filled(call["json"]))
        if "form" in call:
            sent["content-type"], body = FORM, urlencode(self.filled(call["form"]))
        if "token" in self.values:
            sent["authorization"] = f"Bearer {self.values['token']}"
        connection = HTTPConnection(self.host, timeout=20)
        try:
            connection.request(method, target, body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@contextmanager
def authority(clock: HandClock) -> Iterator[Stage]:
    with Authority(clock) as server:
        setting = server.setting
        setting.sts.sts.add(KEY, SECRET, session_token=SESSION, arn=ARN)
        profile = setting.profile(NAMES["profile"], NAMES["project"])
        application = setting.application(NAMES["application"], NAMES["project"], NAMES["profile"])
        aws = {"principals": (ROLE,), "foreign-clients": True}
        identity, secret = setting.identity("request", "read-key", aws=aws)
        assert identity.universal is not None
        permissions = ("request", "read-key", "administer")
        manager, key = setting.identity(*permissions, profile=f"{NAMES['project']}/*", name="manager")
        assert manager.universal is not None
        project = server.setting.front.lookup.project_id(profile)
        values = {
            "clientId": identity.universal.client_id, "clientSecret": secret, "identityId": identity.id,
            "profileId": profile.id, "applicationId": application.id, "projectId": project,
            "managerClientId": manager.universal.client_id, "managerClientSecret": key,
            "caId": setting.cas["RSA-issuing"].id,
        }  # fmt: skip
        yield Stage("authority", server.address, clock, values)


@contextmanager
def double(clock: HandClock) -> Iterator[Stage]:
    with Planted(clock=clock, tls=False) as server:
        server.sts.add(KEY, SECRET, session_token=SESSION, arn=ARN)
        server.estate.organizations.add(NAMES["organization"])
        server.machine.organizations.add(NAMES["organization"])
        server.machine.token_ttl, server.machine.token_max_ttl = 3_600, 86_400
        values = {
            "clientId": server.client_id, "clientSecret": server.client_secret, "identityId": server.machine.id,
            "profileId": server.profile.id, "applicationId": server.application.id,
            "projectId": server.profile.project_id,
        }  # fmt: skip
        yield Stage("double", server.address, clock, values)


# -- expectations --------------------------------------------------------------------------------------------------------
ABSENT = object()
KINDS: dict[str, Callable[[Any], object]] = {
    "<text>": lambda value: isinstance(value, str) and value != "",
    "<uuid>": uuid.UUID,
    "<time>": datetime.fromisoformat,
    "<certificate>": lambda value: len(x509.load_pem_x509_certificates(value.encode())) == 1,
    "<certificates>": lambda value: x509.load_pem_x509_certificates(value.encode()),
    "<private key>": lambda value: load_pem_private_key(value.encode(), None),
    "<absent>": lambda value: value is ABSENT,
    "<empty>": lambda value: value is ABSENT or value is None,  # the same for clients in Go
}


def read(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer.get(part, ABSENT)
        if answer is ABSENT:
            break
    return answer


def check(path: str, expected: Any, found: Any) -> None:
    if isinstance(expected, str) and expected in KINDS:
        assert (found is not ABSENT or expected in {"<absent>", "<empty>"}) and KINDS[expected](found), (path, found)
    else:
        assert found == expected, (path, found, expected)


def names_of(answer: dict[str, Any]) -> set[str]:
    leaf = x509.load_pem_x509_certificate(answer["certificate"]["certificate"].encode())
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds = {x509.DNSName: "dns", x509.IPAddress: "ip"}
    return {f"{kinds[type(name)]}:{name.value}" for name in found}


def replay(stage: Stage, transcript: dict[str, Any]) -> int:
    """Return the number of calls that were made."""
    made = 0
    for call in transcript["calls"]:
        if call.get("only", stage.name) != stage.name:
            continue
        for _ in range(call.get("times", 1)):
            stage.clock.advance(seconds=durations.parse(call["waits"]).total_seconds() if "waits" in call else 0)
            if "proof" in call:
                stage.prove(call["proof"])
            status, answer = stage.send(call, transcript["headers"])
            assert status == call.get("status", 200), (call["call"], status, answer)
            for path, expected in call["reads"].items():
                check(path, stage.filled(expected), read(answer, path))
            if "names" in call:
                assert names_of(answer) == set(call["names"])
            stage.values |= {name: read(answer, path) for name, path in call.get("keeps", {}).items()}
            made += 1
    return made


def cases() -> Iterator[Any]:
    """Yield each server with each transcript; the double refuses what Infisical refuses, so `only` leaves it out."""
    for name, server in (("authority", authority), ("double", double)):
        for file in TRANSCRIPTS:
            if yaml.safe_load(file.read_text()).get("only", name) == name:
                yield pytest.param(server, file, id=f"{name}-{file.stem}")


@pytest.mark.parametrize(("server", "file"), list(cases()))
def test_server_answers_what_the_client_reads(server: Any, file: Path) -> None:
    transcript = yaml.safe_load(file.read_text())
    clock = HandClock(datetime.now(UTC).replace(microsecond=0))  # STS compares signatures with the time
    with server(clock) as stage:
        assert replay(stage, transcript) >= 2


def test_transcripts_cover_every_client() -> None:
    clients = {yaml.safe_load(file.read_text())["client"].partition(",")[0] for file in TRANSCRIPTS}
    assert clients >= {
        "Infisical agent", "infisicalsdk (Python)", "@infisical/sdk (Node.js)", "Terraform provider",
        "infisical-issuer (Kubernetes)",
    }  # fmt: skip
