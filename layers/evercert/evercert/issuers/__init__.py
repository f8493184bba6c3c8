"""Kinds of issuers: one file and one line each."""

from evercert.registry import Register

ISSUERS = Register(
    "issuer",
    {
        "infisical": "evercert.issuers.infisical.issuer:Infisical",
        "self-signed": "evercert.issuers.self_signed:SelfSigned",
    },
)
