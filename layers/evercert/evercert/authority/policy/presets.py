"""Policies that are right for most, each rule with its reason; a document names them, and may change parts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evercert.authority.policy.policy import Policy

# No Ed25519: no CA in KMS signs so, and ACM takes none in.
_KEYS = ["EC_prime256v1", "EC_secp384r1", "RSA_2048", "RSA_3072", "RSA_4096"]
# The API has words for SHA-256, 384 and 512 alone; which of them is the CA's business, so none need be asked for.
_ALGORITHMS = {"signature": ["any"], "key-algorithm": _KEYS}
# Every handshake of TLS 1.3 signs (RFC 8446 §4.4.2.2); only RSA key exchange of TLS 1.2 encrypts with the key.
_KEY_USAGES = {"required": ["digital_signature"], "allowed": ["key_encipherment"]}
# What public CAs may give at most since 2020, and clients have come to expect.
_VALIDITY = {"max": "397d"}
# A common name and no more: an organization would be a claim that nobody checks, and some servers (those of Kubernetes)
# take one for a group with rights.
_SUBJECT = [{"type": "common_name", "allowed": ["*"]}]
# Which names, is the ceiling's business, and that of whoever changes the preset for a profile.
_HOSTS = [{"type": "dns_name", "allowed": ["*"]}, {"type": "ip_address", "allowed": ["*"]}]
_WORKLOAD = {"type": "uri", "allowed": ["spiffe://*"]}  # the one kind of URI that says who a workload is


@dataclass(frozen=True)
class Preset:
    """A policy, and the profile defaults with which a request that says nothing else satisfies it."""

    policy: Policy
    defaults: dict[str, Any]


def _preset(names: list[dict[str, Any]], purposes: list[str]) -> Preset:
    policy = Policy.model_validate(
        {
            "subject": _SUBJECT,
            "sans": names,
            "key-usages": _KEY_USAGES,
            # Exactly these: a server's certificate that can log in as a client is one for impersonation.
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
    # Servers are found by DNS names and addresses (RFC 9525), and by nothing else.
    "tls-server": _preset(_HOSTS, ["server_auth"]),
    # A client may be known by its common name alone; mail addresses are people.
    "tls-client": _preset(
        [{"type": "dns_name", "allowed": ["*"]}, {"type": "email", "allowed": ["*"]}, _WORKLOAD], ["client_auth"]
    ),
    # Workloads that are server and client to each other, such as in a mesh.
    "mtls": _preset([*_HOSTS, _WORKLOAD], ["server_auth", "client_auth"]),
}
