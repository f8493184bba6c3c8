"""Registry of the destination types."""

from evercert.registry import Registry

DESTINATIONS = Registry(
    "destination",
    {
        "acm": "evercert.destinations.acm:ACM",
        "s3": "evercert.destinations.s3:S3",
        "secrets-manager": "evercert.destinations.secrets_manager:SecretsManager",
        "ssm-parameter": "evercert.destinations.ssm_parameter:SSMParameter",
    },
)
