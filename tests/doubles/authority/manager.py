"""A client that manages a project, and sample rules of a policy."""

from __future__ import annotations

from typing import Any

from evercert.authority.configuration.profiles import id_of
from tests.doubles.authority.client import PROFILES, Client
from tests.doubles.authority.configuration import STACK

POLICIES = "/api/v1/cert-manager/certificate-policies"
APPLICATIONS = "/api/v1/cert-manager/applications"
PROJECT = id_of(STACK, "project", "shop")
RULES: dict[str, Any] = {
    "subject": [{"type": "common_name", "allowed": ["*.acme.com"]}],
    "sans": [{"type": "dns_name", "allowed": ["*.acme.com"]}],
    "keyUsages": {"allowed": ["digital_signature", "key_encipherment"]},
    "extendedKeyUsages": {"allowed": ["server_auth"]},
    "algorithms": {"signature": ["SHA256-RSA", "SHA256-ECDSA"], "keyAlgorithm": ["RSA-2048", "ECDSA-P256"]},
    "validity": {"max": "1y"},
}


class Manager(Client):
    """A client that manages the project `shop`, and only that."""

    def __init__(self, **setting: Any) -> None:
        super().__init__("request", "read-key", "administer", **setting)
        self.identity, self.secret = self.setting.identity(
            "request", "read-key", "administer", profile="shop/*", name="manager"
        )
        self.token = self.setting.token(self.identity)

    def policy(self, name: str = "web", **rules: Any) -> dict[str, Any]:
        """Create a policy and return it."""
        return self.made(POLICIES, {"projectId": PROJECT, "name": name, **RULES, **rules})["certificatePolicy"]

    def new_profile(self, slug: str = "api", **fields: Any) -> dict[str, Any]:
        """Create a profile of the RSA CA and return it; with `policy`, an existing one."""
        policy = fields.pop("policy", None) or self.policy()
        values = {"projectId": PROJECT, "caId": self.ca("RSA-issuing"), "certificatePolicyId": policy["id"]}
        return self.made(PROFILES, {**values, "slug": slug, **fields})["certificateProfile"]

    def made(self, path: str, body: Any, method: str = "POST") -> dict[str, Any]:
        response = self.call(method, path, body)
        assert response.status == 200, response.body
        return dict(response.json)

    def ca(self, name: str) -> str:
        return self.setting.cas[name].id

    @property
    def audit(self) -> list[tuple[str, str, str, str]]:
        """Who changed what: identity, action, kind and name of each entry."""
        return [(one.identity_name, one.action, one.kind, one.object_name) for one in self.setting.configuration.audit]
