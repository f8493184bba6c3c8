"""Double of Infisical for the local stack: HTTPS on the loopback with its own test CA.

AWS IAM logins are signed with the function's role. The emulator's STS verifies the signature, and the double accepts
only the issuer function's role.
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
from tests.tools.relay import forward

CREDENTIALS = "evercert/credentials"
PORT = 8443  # in examples/agent.yaml
IDENTITY = "5f6e3a51-5a0f-4a47-9f2a-0d3b3f4c6b2e"  # in examples/agent.yaml
_DROPPED = {"accept", "connection", "content-length"}


class EmulatedSts:
    """Forward requests to the emulator's STS; convert its XML response to the JSON that AWS STS can return.

    The emulator accepts any caller as its root user; the identities of `beside` do not accept root.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    def answer(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        status, _, response = forward(self._address, (method, path, headers, body), dropped=_DROPPED)
        if status != http.client.OK:
            return status, "text/xml", response
        found = ET.fromstring(response).iter()
        values = {each.tag.rpartition("}")[2]: each.text or "" for each in found}
        result = {name: values[name] for name in ("Account", "Arn", "UserId")}
        return 200, "application/json", json.dumps(_answer(result)).encode()


def _answer(result: dict[str, str]) -> dict[str, Any]:
    return {"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}}


@contextmanager
def beside(running: Emulator, *, port: int = 0) -> Iterator[Planted]:
    """Run a double that the deployed issuer can reach and log in to with its own role."""
    with Planted(port=port) as server:
        server.sts = EmulatedSts(running.url)
        server.estate.identities[IDENTITY] = server.estate.identities.pop(server.machine.id)
        server.machine.id = IDENTITY
        only = f"arn:aws:iam::{ACCOUNT}:role/{issuer_role(running)}"
        server.machine.methods["aws"] = {"allowedAccountIds": ACCOUNT, "allowedPrincipalArns": only}
        yield server


def issuer_role(running: Emulator) -> str:
    """Return the name of the deployed issuer function's role."""
    client = boto3.client("cloudformation", **client_arguments(running))
    found = client.describe_stack_resources(StackName=STACK)["StackResources"]
    return str(next(one["PhysicalResourceId"] for one in found if one["LogicalResourceId"] == "IssuerRole"))


def definition(server: Planted, auth: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an issuer definition for the double's profile."""
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
    """Return the secret value of each login; AWS IAM needs no secret."""
    return {
        "universal-auth": {"client-id": server.client_id, "client-secret": server.client_secret},
        "kubernetes": {"service-account-token": server.cluster.token()},
        "azure": {"token": server.tenant.token()},
        "gcp-id-token": {"token": server.google.id_token(server.gcp_machine.id)},
        "gcp-iam": {"service-account-key": server.service_account_key},
        "ldap-auth": {"password": server.ldap_password},
    }


def logins(server: Planted, secret: str) -> dict[str, dict[str, Any]]:
    """Return `auth` of all seven logins; each reads its credential from the secret `<secret>-<type>`."""
    identities = {"gcp-id-token": server.gcp_machine.id, "gcp-iam": server.gcp_iam_machine.id}
    found: dict[str, dict[str, Any]] = {"aws-iam": {"type": "aws-iam", "identity-id": server.machine.id}}
    for kind, proof in proofs(server).items():
        reference = {"aws-secret": f"{secret}-{kind}"}
        auth = {"type": kind, "identity-id": identities.get(kind, server.machine.id)}
        if kind == "universal-auth":
            auth = {"type": kind, "credentials": reference}
        else:
            auth |= dict.fromkeys(proof, reference)
        if kind == "ldap-auth":
            auth["username"] = server.ldap_user
        found[kind] = auth
    return found


def plant(server: Planted, secrets: Any, prefix: str) -> dict[str, dict[str, Any]]:
    """Create the secrets of all logins, bound to this server; return the logins."""
    for kind, proof in proofs(server).items():
        value = json.dumps({"address": server.address, **proof})
        secrets.create_secret(Name=f"{prefix}-{kind}", SecretString=value)
    return logins(server, prefix)


def trust_environment(ca_bundle: str | None, folder: Path) -> dict[str, str]:
    """Return the environment variables of a host that trusts the server, as the Infisical agent reads them."""
    file = folder / "ca.pem"
    file.write_text(ca_bundle or "")
    return {"SSL_CERT_FILE": str(file)}


def port_or_zero(port: int) -> int:
    """Return the port, or 0 (any port) if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def with_address(document: Path, address: str, folder: Path) -> Path:
    """Return the document, or a copy with the server's address if that is not the usual one."""
    usual = f"https://127.0.0.1:{PORT}"
    if address == usual:
        return document
    copy = folder / document.name
    copy.write_text(document.read_text().replace(usual, address))
    return copy
