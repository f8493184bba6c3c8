"""Registry of the issuer types."""

from evercert.registry import Registry

ISSUERS = Registry(
    "issuer",
    {
        "acme": "evercert.issuers.acme.issuer:Acme",
        "infisical": "evercert.issuers.infisical.issuer:Infisical",
        "self-signed": "evercert.issuers.self_signed:SelfSigned",
    },
)
