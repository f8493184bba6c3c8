"""The keys of an agent document, and the kind of value that each has."""

from __future__ import annotations

from typing import Any

Shape = str | dict[str, Any] | list[Any]
HOOKS = ("on-issuance", "on-renewal", "on-failure")
OUTPUTS = ("certificate", "private-key", "chain")
# Of evercert's agent on a host, not of the Infisical agent.
MORE_OUTPUTS = ("fullchain", "combined", "certificate-der", "private-key-der", "pkcs12", "jks")
STORES = ("pkcs12", "jks")

_HOOK: Shape = {"command": "text", "timeout": "count", "rollback-on-failure": "flag"}
_OUTPUT: dict[str, Shape] = {"path": "text", "permission": "mode", "owner": "text", "group": "text"}
CERTIFICATE: dict[str, Shape] = {
    "name": "text",
    "project-slug": "text",
    "application-name": "text",
    "profile-name": "text",
    "certificate-id": "text",
    "csr": "text",
    "csr-path": "text",
    "attributes": {
        "common-name": "text",
        "alt-names": "words",
        "ttl": "span",
        "key-algorithm": "text",
        "signature-algorithm": "text",
        "key-usages": "words",
        "extended-key-usages": "words",
        "not-before": "moment",
        "not-after": "moment",
        "remove-roots-from-chain": "flag",
        "destination-path": "text",
    },
    "lifecycle": {
        "renew-before-expiry": "span",
        "status-check-interval": "interval",
        "failure-retry-interval": "interval",
        "max-failure-retries": "count",
        "replace-on-renewals": "flag",
    },
    "post-hooks": dict.fromkeys(HOOKS, _HOOK),
    "file-output": {
        "certificate": _OUTPUT,
        "private-key": _OUTPUT,
        "chain": {**_OUTPUT, "omit-root": "flag"},
        **{key: {**_OUTPUT, "omit-root": "flag"} for key in MORE_OUTPUTS},
        **{key: {**_OUTPUT, "omit-root": "flag", "passphrase-file": "text", "alias": "text"} for key in STORES},
    },
}
DOCUMENT: dict[str, Shape] = {
    "version": "text",
    "infisical": {
        "address": "text",
        "ca-bundle": "text",
        "exit-after-auth": "flag",
        "revoke-credentials-on-shutdown": "flag",
        "retry-strategy": {"max-retries": "count", "base-delay": "delay", "max-delay": "delay"},
    },
    "auth": {
        "type": "text",
        "config": {
            "client-id": "credential",
            "client-secret": "credential",
            "remove-client-secret-on-read": "flag",
            "identity-id": "secret-text",
            "service-account-token": "credential",
            "service-account-key": "key",
            "token": "credential",
            "username": "credential",
            "password": "credential",
        },
    },
    "sinks": "anything",
    "cache": "anything",
    "templates": "anything",
    "certificates": [CERTIFICATE],
}
