"""Certificates that issue, store and renew themselves in an AWS account."""

__version__ = "0.2.0"
