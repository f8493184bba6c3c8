"""The double of Infisical beside the local stack: on the loopback, over HTTPS, with a CA that nobody else trusts.

Whoever logs in by AWS signs with the function's own role; the emulator's STS recomputes that signature, and only the
issuer's role is let in.
"""

from __future__ import annotations

import http.client
import json
import socket
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from tests.doubles.infisical import Planted
from tests.tools.local_stack import ACCOUNT, STACK, Emulator, client_arguments
from tests.tools.relay import handed_on

CREDENTIALS = "evercert/credentials"
PORT = 8443  # that examples/agent.yaml names
IDENTITY = "5f6e3a51-5a0f-4a47-9f2a-0d3b3f4c6b2e"  # that examples/agent.yaml logs in as
_DROPPED = {"accept", "connection", "content-length"}


class EmulatedSts:
    """Hands every question to the emulator's STS, and its answer back as the JSON that STS has for those who ask so.

    The emulator believes whoever calls himself its root; the identities of `beside` let no root in.
    """

    def __init__(self, url: str) -> None:
        self._where = urlsplit(url).netloc

    def answer(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type, body."""
        status, _, said = handed_on(self._where, (method, path, headers, body), dropped=_DROPPED)
        if status != http.client.OK:
            return status, "text/xml", said
        found = ET.fromstring(said).iter()
        values = {each.tag.rpartition("}")[2]: each.text or "" for each in found}
        result = {name: values[name] for name in ("Account", "Arn", "UserId")}
        return 200, "application/json", json.dumps(_answer(result)).encode()


def _answer(result: dict[str, str]) -> dict[str, Any]:
    return {"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}}


@contextmanager
def beside(running: Emulator, *, port: int = 0) -> Iterator[Planted]:
    """A double that the issuer of the deployed stack can reach, and log in at as what it is."""
    with Planted(port=port) as server:
        server.sts = EmulatedSts(running.url)
        server.estate.identities[IDENTITY] = server.estate.identities.pop(server.machine.id)
        server.machine.id = IDENTITY
        only = f"arn:aws:iam::{ACCOUNT}:role/{issuer_role(running)}"
        server.machine.methods["aws"] = {"allowedAccountIds": ACCOUNT, "allowedPrincipalArns": only}
        yield server


def issuer_role(running: Emulator) -> str:
    """The name of the role that the deployed issuer has."""
    client = boto3.client("cloudformation", **client_arguments(running))
    found = client.describe_stack_resources(StackName=STACK)["StackResources"]
    return str(next(one["PhysicalResourceId"] for one in found if one["LogicalResourceId"] == "IssuerRole"))


def definition(server: Planted, auth: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An issuer of the planted profile."""
    return {
        "type": "infisical",
        "address": server.address,
        "application": "my-app",
        "profile": "tls-server",
        "ca-bundle": server.ca_bundle,
        "auth": auth,
        **changes,
    }


def proofs(server: Planted) -> dict[str, dict[str, Any]]:
    """What each login keeps in a secret; AWS needs none."""
    return {
        "universal-auth": {"client-id": server.client_id, "client-secret": server.client_secret},
        "kubernetes": {"service-account-token": server.cluster.token()},
        "azure": {"token": server.tenant.token()},
        "gcp-id-token": {"token": server.google.id_token(server.gcp_machine.id)},
        "gcp-iam": {"service-account-key": server.service_account_key},
        "ldap-auth": {"password": server.ldap_password},
    }


def logins(server: Planted, secret: str) -> dict[str, dict[str, Any]]:
    """`auth` of all seven; each takes its proof from the secret of this name and its own."""
    identities = {"gcp-id-token": server.gcp_machine.id, "gcp-iam": server.gcp_iam_machine.id}
    found: dict[str, dict[str, Any]] = {"aws-iam": {"type": "aws-iam", "identity-id": server.machine.id}}
    for kind, kept in proofs(server).items():
        reference = {"aws-secret": f"{secret}-{kind}"}
        auth = {"type": kind, "identity-id": identities.get(kind, server.machine.id)}
        if kind == "universal-auth":
            auth = {"type": kind, "credentials": reference}
        else:
            auth |= dict.fromkeys(kept, reference)
        if kind == "ldap-auth":
            auth["username"] = server.ldap_user
        found[kind] = auth
    return found


def plant(server: Planted, secrets: Any, prefix: str) -> dict[str, dict[str, Any]]:
    """The same, with the secrets made that they name; each is for this server alone."""
    for kind, kept in proofs(server).items():
        value = json.dumps({"address": server.address, **kept})
        secrets.create_secret(Name=f"{prefix}-{kind}", SecretString=value)
    return logins(server, prefix)


def trusted(ca_bundle: str | None, folder: Path) -> dict[str, str]:
    """The environment of a host that trusts the server, as the agent's program understands it."""
    file = folder / "ca.pem"
    file.write_text(ca_bundle or "")
    return {"SSL_CERT_FILE": str(file)}


def free(port: int) -> int:
    """The port, or 0 for any one if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def addressed(document: Path, address: str, folder: Path) -> Path:
    """The document itself, or a copy with the address that the server has where the usual port was taken."""
    usual = f"https://127.0.0.1:{PORT}"
    if address == usual:
        return document
    copy = folder / document.name
    copy.write_text(document.read_text().replace(usual, address))
    return copy
