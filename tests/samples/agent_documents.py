"""Sample documents of the Infisical agent: small, complete, readable without a host."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evercert.cli.files import KINDS
from evercert.cli.infisical_agent.host import Host
from evercert.cli.infisical_agent.translation import Agent, read
from evercert.documents.document import Problem
from evercert.pki.identifiers import parse

IDENTITY = "11111111-2222-4333-8444-555555555555"
CLIENT_ID = "aaaaaaaa-2222-4333-8444-555555555555"
SECRET = "f00dfeedcafebabe" * 4
REFERENCE = {"aws-secret": "evercert/credentials/mine#token"}


def host(files: dict[str, str] | None = None, **environment: str) -> Host:
    return Host(environment, (files or {}).get)


def entry(**changes: Any) -> dict[str, Any]:
    """Return a certificate of version v2; None removes a key, and `_` in keywords means `-`."""
    whole: dict[str, Any] = {
        "application-name": "shop",
        "profile-name": "tls-server",
        "attributes": {"common-name": "www.example.com", "ttl": "90d"},
        "lifecycle": {"renew-before-expiry": "30d"},
        "file-output": {
            "certificate": {"path": f"/etc/ssl/{len(changes)}.crt"},
            "private-key": {"path": f"/etc/ssl/{len(changes)}.key"},
        },
    }
    whole |= {key.replace("_", "-"): value for key, value in changes.items()}
    return {key: value for key, value in whole.items() if value is not None}


def outputs(name: str) -> dict[str, Any]:
    return {"certificate": {"path": f"/{name}.crt"}, "private-key": {"path": f"/{name}.key"}}


def document(*certificates: dict[str, Any], version: str = "v2", **sections: Any) -> dict[str, Any]:
    auth = {"type": "aws-iam", "config": {"identity-id": IDENTITY}}
    return {"version": version, "auth": auth, "certificates": list(certificates or (entry(),)), **sections}


def v1(**changes: Any) -> dict[str, Any]:
    return entry(**{"application_name": None, "project_slug": "web-team", **changes})


def accepted(data: dict[str, Any], where: Host | None = None) -> Agent:
    found = read(data, KINDS, where or host())
    assert isinstance(found, Agent), found
    return found


def refused(data: dict[str, Any], where: Host | None = None) -> list[tuple[tuple[str | int, ...], str]]:
    found = read(data, KINDS, where or host())
    assert not isinstance(found, Agent), found.document
    assert all(isinstance(problem, Problem) and "\n" not in problem.message for problem in found)
    return [(problem.path, problem.message) for problem in found]


def only_spec(data: dict[str, Any], where: Host | None = None) -> dict[str, Any]:
    (spec,) = accepted(data, where).document.certificates
    return spec.document()


def notes(data: dict[str, Any], where: Host | None = None) -> list[str]:
    return [note.message for note in accepted(data, where).notes]


def request(*, cn: str | None = None, sans: list[str] | None = None) -> str:
    """Return a CSR of a new key."""
    subject = x509.Name([] if cn is None else [x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    builder = x509.CertificateSigningRequestBuilder(subject)
    if sans:
        names = x509.SubjectAlternativeName([parse(name).general_name() for name in sans])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()
