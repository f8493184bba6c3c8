"""Kinds of issuers: one file and one line each."""

from evercert.register import Register

ISSUERS = Register(
    "issuer",
    {
        "self-signed": "evercert.issuers.self_signed:SelfSigned",
    },
)
