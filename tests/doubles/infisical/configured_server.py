"""A server with a standard configuration, for tests of other components."""

from __future__ import annotations

import secrets
from typing import Any

from tests.doubles.infisical.server import Infisical

ROLE = "arn:aws:sts::123456789012:assumed-role/evercert-issuer/session"
SERVER_DEFAULTS = {
    "ttlDays": 90,
    "keyAlgorithm": "EC_prime256v1",
    "keyUsages": ["digital_signature"],
    "extendedKeyUsages": ["server_auth"],
}


class Planted(Infisical):
    """Project `my-project`, application `my-app`, profile `tls-server` in both; one identity for all logins.

    `client_id` and `client_secret` log in by universal auth; `access_key` and `secret_key` by AWS, as a role of the
    account 123456789012; `service_account_key` is Google's. Kubernetes, Azure and Google's id tokens by
    `cluster.token()`, `tenant.token()`, `google.id_token(gcp_machine.id)`; LDAP by `ldap_user`, `ldap_password`.
    Google's two logins have one path and so an identity each: `gcp_machine` and `gcp_iam_machine`.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.profile = self.estate.profile("tls-server", "my-project", self.authority, defaults=dict(SERVER_DEFAULTS))
        self.application = self.estate.application("my-app", "my-project", self.profile)
        self.machine = self.estate.identity()
        self.client_id = self.machine.client_id
        self.client_secret = self.machine.new_client_secret(self.now())
        self.access_key, self.secret_key = "AKIAIOSFODNN7EXAMPLE", secrets.token_urlsafe(30)
        self.sts.add(self.access_key, self.secret_key, arn=ROLE)
        self.machine.methods["aws"] = {"allowedAccountIds": "123456789012", "allowedPrincipalArns": ""}
        self.machine.methods["kubernetes"] = {"allowedNamespaces": "default", "allowedNames": "evercert*"}
        self.machine.methods["azure"] = {"tenantId": self.tenant.id, "resource": "https://management.azure.com/"}
        self.ldap_user, self.ldap_password = "evercert", secrets.token_urlsafe(18)
        self.machine.methods["ldap"] = {"users": {self.ldap_user: self.ldap_password}}
        self.gcp_machine = self.estate.identity("gcp id token", methods={"gcp": {"type": "gce"}})
        self.gcp_iam_machine = self.estate.identity("gcp iam", methods={"gcp": {"type": "iam"}})
        self.service_account_key = self.google.service_account_key()
