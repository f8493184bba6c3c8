"""Kinds of destinations: one file and one line each."""

from evercert.register import Register

DESTINATIONS = Register(
    "destination",
    {
        "secrets-manager": "evercert.destinations.secrets_manager:SecretsManager",
    },
)
