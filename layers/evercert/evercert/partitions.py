"""Domains of the AWS partitions."""

from __future__ import annotations

# By the beginning of the names of their regions; all other regions have amazonaws.com.
_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}


def sts_host(region: str) -> str:
    """Return the host of the STS endpoint of a region."""
    domains = (domain for prefix, domain in _DOMAINS.items() if region.startswith(prefix))
    return f"sts.{region}.{next(domains, 'amazonaws.com')}"
