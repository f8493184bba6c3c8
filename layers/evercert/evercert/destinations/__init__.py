"""Kinds of destinations: one file and one line each."""

from evercert.register import Register

DESTINATIONS = Register(
    "destination",
    {
        "acm": "evercert.destinations.acm:ACM",
        "secrets-manager": "evercert.destinations.secrets_manager:SecretsManager",
    },
)
