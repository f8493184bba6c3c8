"""The ClusterIssuer for cert-manager in docs/reference/acme-clients.md: it parses, and agrees with a credential."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.tools import go_programs
from tests.tools.acme_clients.programs import PROGRAMS, CertManager
from tests.tools.local_stack import ROOT

PAGE = ROOT / "docs" / "reference" / "acme-clients.md"
CREDENTIAL = {
    "directory": "DIRECTORY",
    "key_id": "KEY-ID",
    "hmac_key": "HMAC-KEY",
}  # as tests/stack reads `eab create --json`


def manifests() -> list[dict[str, Any]]:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return list(yaml.safe_load_all(block))


def test_cluster_issuer_has_the_members_of_a_credential() -> None:
    secret, issuer = manifests()
    acme = issuer["spec"]["acme"]
    binding = acme["externalAccountBinding"]
    reference = binding["keySecretRef"]
    found = {
        "directory": acme["server"],
        "key_id": binding["keyID"],
        "hmac_key": secret["stringData"][reference["key"]],
    }
    assert found == CREDENTIAL
    assert (secret["kind"], issuer["kind"]) == ("Secret", "ClusterIssuer")
    assert reference["name"] == secret["metadata"]["name"]
    # cert-manager reads secrets of a ClusterIssuer in its own namespace.
    assert secret["metadata"]["namespace"] == "cert-manager"


def problems(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Return what a structural schema of Kubernetes refuses or drops."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    if not isinstance(value, kinds[schema["type"]]):
        yield f"{path}: not of type {schema['type']}"
    elif isinstance(value, dict):
        yield from (f"{path}.{name}: missing" for name in schema.get("required", ()) if name not in value)
        for name, one in value.items():
            known = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if known is None:
                yield f"{path}.{name}: unknown"
            else:
                yield from problems(one, known, f"{path}.{name}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from problems(one, schema["items"], f"{path}[{place}]")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Return cert-manager's own schema of a ClusterIssuer, which its Go module contains."""
    folder = go_programs.module_folder(PROGRAMS / "go", CertManager.module)
    definition = yaml.safe_load((folder / "deploy" / "crds" / "cert-manager.io_clusterissuers.yaml").read_text())
    (version,) = (one for one in definition["spec"]["versions"] if one["name"] == "v1")
    spec: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


@pytest.mark.peer("go")
def test_cluster_issuer_fits_the_schema_of_cert_manager(schema: dict[str, Any]) -> None:
    _, issuer = manifests()
    assert issuer["apiVersion"] == "cert-manager.io/v1"
    assert list(problems(issuer["spec"], schema)) == []


@pytest.mark.peer("go")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"keyId": "KEY-ID"}, ".acme.externalAccountBinding.keyId: unknown"),
        ({"keyID": 1}, ".acme.externalAccountBinding.keyID: not of type string"),
        ({"keySecretRef": None}, ".acme.externalAccountBinding.keySecretRef: not of type object"),
    ],
    ids=["unknown", "type", "missing"],
)
def test_schema_refuses_other_members(schema: dict[str, Any], change: dict[str, Any], problem: str) -> None:
    _, issuer = manifests()
    issuer["spec"]["acme"]["externalAccountBinding"].update(change)
    assert list(problems(issuer["spec"], schema)) == [problem]
