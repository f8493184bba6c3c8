"""CAs that connections to AWS trust: the roots of Amazon, because parsing all public ones takes 13 ms a connection.

`amazon_roots.pem` holds the five roots that https://www.amazontrust.com/repository/ recommends, as certifi has them; a
test compares them with both. Endpoints of other partitions (China, GovCloud), FIPS endpoints, proxies and endpoints of
operators keep botocore's bundle.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import UnknownRegionError

if TYPE_CHECKING:
    from botocore.session import Session

AMAZON_ROOTS = str(Path(__file__).with_name("amazon_roots.pem"))
_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")  # botocore obeys both
_ENDPOINTS = "AWS_ENDPOINT_URL"  # for all services; with a suffix, for one
_OTHERS = ("https_proxy", "all_proxy", "aws_use_fips_endpoint")  # a proxy has a certificate of its own


def bundle(session: Session, region: str | None) -> str | None:
    """Return the file of Amazon's roots for clients of a region; None: botocore's bundle, or that of the operator."""
    if region is None or any(name in _BUNDLES or name.startswith(_ENDPOINTS) for name in os.environ):
        return None
    if any(name.lower() in _OTHERS for name in os.environ):
        return None
    if session.full_config["profiles"]:  # may name endpoints and bundles; functions have no such file
        return None
    try:
        partition = session.get_partition_for_region(region)
    except UnknownRegionError:
        return None
    return AMAZON_ROOTS if partition == "aws" else None
