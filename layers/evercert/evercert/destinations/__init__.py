"""Registry of the destination types."""

from evercert.registry import Registry

DESTINATIONS = Registry(
    "destination",
    {
        "acm": "evercert.destinations.acm:ACM",
        "secrets-manager": "evercert.destinations.secrets_manager:SecretsManager",
    },
)
