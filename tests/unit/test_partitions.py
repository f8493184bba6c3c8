"""STS hosts in every partition of AWS, against the endpoints that botocore knows."""

from __future__ import annotations

import pytest
from botocore.session import Session

from evercert.partitions import sts_host

PARTITIONS = Session().get_component("data_loader").load_data("partitions")["partitions"]
REGIONS = [
    (region, partition["outputs"]["dnsSuffix"])
    for partition in PARTITIONS
    for region in partition["regions"]
    if not region.endswith("-global")
]


@pytest.mark.parametrize(("region", "domain"), REGIONS, ids=[region for region, _ in REGIONS])
def test_sts_host_is_that_of_the_regions_partition(region: str, domain: str) -> None:
    assert sts_host(region) == f"sts.{region}.{domain}"
