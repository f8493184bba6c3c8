"""Kinds of destinations: one file and one line each."""

from evercert.registry import Register

DESTINATIONS = Register(
    "destination",
    {
        "acm": "evercert.destinations.acm:ACM",
        "secrets-manager": "evercert.destinations.secrets_manager:SecretsManager",
    },
)
