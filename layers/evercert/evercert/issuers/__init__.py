"""Registry of the issuer types."""

from evercert.registry import Registry

ISSUERS = Registry(
    "issuer",
    {
        "infisical": "evercert.issuers.infisical.issuer:Infisical",
        "self-signed": "evercert.issuers.self_signed:SelfSigned",
    },
)
