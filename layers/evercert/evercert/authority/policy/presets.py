"""Preset policies for common uses, which documents can name and override in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evercert.authority.policy.policy import Policy

# No Ed25519: no CA key signs with it, and ACM does not import it.
_KEYS = ["EC_prime256v1", "EC_secp384r1", "RSA_2048", "RSA_3072", "RSA_4096"]
# The CA's key decides on the hash (SHA-256, 384 or 512), so a request may omit it.
_ALGORITHMS = {"signature": ["any"], "key-algorithm": _KEYS}
# Every handshake of TLS 1.3 signs (RFC 8446 §4.4.2.2); only RSA key exchange of TLS 1.2 encrypts with the key.
_KEY_USAGES = {"required": ["digital_signature"], "allowed": ["key_encipherment"]}
# The maximum of public CAs since 2020, which clients expect.
_VALIDITY = {"max": "397d"}
# A common name only: this authority does not verify organizations, and some servers (Kubernetes) read one as a group
# with permissions.
_SUBJECT = [{"type": "common_name", "allowed": ["*"]}]
# The CA's ceiling limits the names; a profile can narrow them by overriding the preset.
_HOSTS = [{"type": "dns_name", "allowed": ["*"]}, {"type": "ip_address", "allowed": ["*"]}]
_WORKLOAD = {"type": "uri", "allowed": ["spiffe://*"]}  # SPIFFE IDs identify workloads; other URIs do not


@dataclass(frozen=True)
class Preset:
    """A policy, and profile defaults that satisfy it when a request sets no other fields."""

    policy: Policy
    defaults: dict[str, Any]


def _preset(names: list[dict[str, Any]], purposes: list[str]) -> Preset:
    policy = Policy.model_validate(
        {
            "subject": _SUBJECT,
            "sans": names,
            "key-usages": _KEY_USAGES,
            # Exactly these: a server certificate valid for clients too would allow impersonation.
            "extended-key-usages": {"required": purposes},
            "algorithms": _ALGORITHMS,
            "validity": _VALIDITY,
            "basic-constraints": {"is-ca": "denied"},
        }
    )
    defaults = {
        "ttlDays": 90,
        "keyAlgorithm": "EC_prime256v1",
        "keyUsages": ["digital_signature"],
        "extendedKeyUsages": purposes,
    }
    return Preset(policy, defaults)


PRESETS: dict[str, Preset] = {
    # Clients identify servers by DNS names and addresses only (RFC 9525).
    "tls-server": _preset(_HOSTS, ["server_auth"]),
    # A client may have a common name only; e-mail addresses identify people.
    "tls-client": _preset(
        [{"type": "dns_name", "allowed": ["*"]}, {"type": "email", "allowed": ["*"]}, _WORKLOAD], ["client_auth"]
    ),
    # Workloads that act as server and client to each other, as in a service mesh.
    "mtls": _preset([*_HOSTS, _WORKLOAD], ["server_auth", "client_auth"]),
}
