"""Kinds of issuers: one file and one line each."""

from evercert.register import Register

ISSUERS = Register(
    "issuer",
    {
        "infisical": "evercert.issuers.infisical:Infisical",
        "self-signed": "evercert.issuers.self_signed:SelfSigned",
    },
)
