"""Registry of the issuer types."""

from evercert.registry import Registry

ISSUERS = Registry(
    "issuer",
    {
        "acme": "evercert.issuers.acme.issuer:Acme",
        "aws-private-ca": "evercert.issuers.aws_private_ca.issuer:AWSPrivateCA",
        "infisical": "evercert.issuers.infisical.issuer:Infisical",
        "self-signed": "evercert.issuers.self_signed:SelfSigned",
    },
)
