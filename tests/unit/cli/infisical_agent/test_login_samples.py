"""Documents as operators of the agent write them, one for each login and version: all validate, and apply with credentials."""

from __future__ import annotations

import json

import pytest
import yaml

from evercert.cli.files import BadInput, Files
from tests.samples.agent_documents import CLIENT_ID, IDENTITY, REFERENCE, SECRET, host

KEY = {"client_email": "a@b.iam.gserviceaccount.com", "private_key_id": "0f", "private_key": "-----BEGIN"}
FILES = {"./client-id": CLIENT_ID, "./client-secret": SECRET, "./identity": IDENTITY, "./key.json": json.dumps(KEY)}
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"

# The login of each sample, and the settings that replace what a function does not have.
SAMPLES = {
    "universal-auth, files": (
        """
        type: "universal-auth"
        config: {client-id: "./client-id", client-secret: "./client-secret", remove-client-secret-on-read: false}
        """,
        {},
    ),
    "universal-auth, removal": (
        """
        type: universal-auth
        config:
          client-id: ./client-id
          client-secret: ./client-secret
          remove_client_secret_on_read: true
        """,
        {},
    ),
    "universal-auth, inline": (
        """
        type: universal-auth
        config: {client-id: your-client-id, client-secret: your-client-secret}
        """,
        {"client-id": CLIENT_ID, "client-secret": SECRET},
    ),
    "universal-auth, variables": ("{type: universal-auth}", {"client-id": CLIENT_ID, "client-secret": SECRET}),
    "kubernetes": (
        f"{{type: kubernetes, config: {{identity-id: ./identity, service-account-token: {TOKEN}}}}}",
        {"service-account-token": REFERENCE},
    ),
    "kubernetes, default file": (
        "{type: kubernetes, config: {identity-id: ./identity}}",
        {"service-account-token": REFERENCE},
    ),
    "kubernetes-auth": (
        f"{{type: kubernetes-auth, config: {{identity-id: an-identity, service-account-token-path: {TOKEN}}}}}",
        {"identity-id": IDENTITY, "service-account-token-path": REFERENCE},
    ),
    "azure": ("{type: azure, config: {identity-id: ./identity}}", {"token": REFERENCE}),
    "azure-auth": ("{type: azure-auth, config: {identity-id: ./identity}}", {"token": REFERENCE}),
    "gcp-id-token": ("{type: gcp-id-token, config: {identity-id: ./identity}}", {"token": REFERENCE}),
    "gcp-iam": ("{type: gcp-iam, config: {identity-id: ./identity, service-account-key: ./key.json}}", {}),
    "aws-iam": ("{type: aws-iam, config: {identity-id: your-identity}}", {"identity-id": IDENTITY}),
    "ldap-auth": (
        "{type: ldap-auth, config: {identity-id: ./identity}}",
        {"username": "agent", "password": "correct horse"},
    ),
}

CERTIFICATES = {
    "v1": """
  - project-slug: web-team
    profile-name: tls-server
    attributes:
      common-name: shop.example.com
      alt-names: ["shop.example.com", "www.shop.example.com"]
      ttl: "60d"
      key-algorithm: "RSA_2048"
      signature-algorithm: "RSA-SHA256"
      key-usages: ["digital_signature", "key_encipherment"]
      extended-key-usages: ["server_auth"]
    lifecycle:
      renew-before-expiry: "20d"
      status-check-interval: "6h"
      failure-retry-interval: "1h"
      max-failure-retries: 3
    file-output:
      private-key: {path: /etc/ssl/private/shop.key, permission: "0600"}
      certificate: {path: /etc/ssl/certs/shop.crt, permission: "0644"}
      chain: {path: /etc/ssl/certs/shop-chain.crt, permission: "0644", omit-root: true}
    post-hooks:
      on-issuance: {command: "systemctl reload haproxy # ${CERT_COMMON_NAME}", timeout: 30}
      on-renewal: {command: "systemctl reload haproxy", timeout: 30}
      on-failure: {command: "logger ${ERROR_MESSAGE}", timeout: 30}
""",
    "v2": """
  - application-name: shop
    profile-name: tls-server
    attributes: {common-name: shop.example.com, ttl: 60d, key-algorithm: EC_prime256v1}
    lifecycle: {renew-before-expiry: 20d}
    file-output:
      private-key: {path: /etc/ssl/private/shop.key}
      certificate: {path: /etc/ssl/certs/shop.crt}
  - certificate-id: 6f1d2a3b-7c8d-4e9f-8a1b-2c3d4e5f6a7b
    lifecycle: {status-check-interval: 1h, failure-retry-interval: 1m, max-failure-retries: 10}
    file-output:
      private-key: {path: /etc/ssl/private/other.key}
      certificate: {path: /etc/ssl/certs/other.crt}
      chain: {path: /etc/ssl/certs/other-chain.crt}
""",
}
HEAD = """\
version: {version}
infisical:
  address: "https://app.infisical.com"
  exit-after-auth: false
  revoke-credentials-on-shutdown: true
  retry-strategy: {{max-retries: 3, base-delay: "200ms", max-delay: "5s"}}
auth: {auth}
sinks:
  - {{type: file, config: {{path: /var/run/infisical-token}}}}
certificates:{certificates}"""
EVERY = [pytest.param(version, name, id=f"{version}, {name}") for version in CERTIFICATES for name in SAMPLES]


def written(folder, version, name, **changes):
    auth = yaml.safe_load(SAMPLES[name][0])
    auth["config"] = {**auth.get("config", {}), **changes}
    file = folder / "agent.yaml"
    file.write_text(HEAD.format(version=version, auth=json.dumps(auth), certificates=CERTIFICATES[version]))
    return [str(file)]


@pytest.mark.parametrize(("version", "name"), EVERY)
def test_sample_document_validates_on_any_host(tmp_path, version, name):
    found = Files(written(tmp_path, version, name), form_only=True, host=host())
    assert len(found.specs) == (1 if version == "v1" else 2)


@pytest.mark.parametrize(("version", "name"), EVERY)
def test_sample_document_applies_with_its_credentials(tmp_path, version, name):
    found = Files(written(tmp_path, version, name, **SAMPLES[name][1]), host=host(FILES))
    assert len(found.issuers) == (1 if version == "v1" else 2)
    assert SECRET not in str(found.notes)


@pytest.mark.parametrize(("name", "changes"), [(name, more) for name, (_, more) in SAMPLES.items() if more])
def test_sample_document_names_the_key_that_apply_needs(tmp_path, name, changes):
    with pytest.raises(BadInput) as caught:
        Files(written(tmp_path, "v2", name), host=host(FILES))
    for key in changes:
        assert any(f"{key.removesuffix('-path')}" in line for line in caught.value.lines), key
