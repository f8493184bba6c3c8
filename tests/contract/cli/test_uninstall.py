"""The plan's commands for a versioned bucket, run by the AWS CLI on the emulator."""

from __future__ import annotations

import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from evercert.cli.uninstall import plan
from evercert.cli.uninstall.leftovers import Leftover
from tests.doubles.strict_aws import REGION
from tests.doubles.world import World
from tests.tools.local_stack import ENVIRONMENT


def run(world: World, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the plan as an operator would."""
    environment = {
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": world.operator.s3.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=300, check=False)


def filled(world: World, versions: int) -> str:
    """Create a bucket with versions of two objects, one of which was deleted afterwards."""
    s3, bucket = world.operator.s3, world.authority_bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(versions):
        s3.put_object(Bucket=bucket, Key=f"api/v1/cert-manager/crl/ca-{number % 2}/der", Body=b"list")
    s3.delete_object(Bucket=bucket, Key="api/v1/cert-manager/crl/ca-0/der")
    return bucket


def test_plan_empties_and_removes_a_versioned_bucket(world: World) -> None:
    bucket = filled(world, plan.VERSIONS + 2)  # one call does not delete them
    *before, removal = plan._commands([Leftover("AWS::S3::Bucket", bucket, REGION)])
    assert "BucketNotEmpty" in run(world, removal).stderr  # so the removal alone does not suffice
    for line in [*before, removal]:
        done = run(world, line)
        assert (done.returncode, done.stderr) == (0, ""), line
    with pytest.raises(ClientError):
        world.operator.s3.head_bucket(Bucket=bucket)


def test_emptying_stops_at_an_unknown_bucket(world: World) -> None:
    done = run(world, plan.emptying("not-there", REGION))
    assert "NoSuchBucket" in done.stderr
    assert done.stdout == ""


def test_emptying_fits_the_longest_argument() -> None:
    """Linux accepts 128 KB; version ids of S3 have 32 characters, and the CLI indents JSON by four spaces."""
    key = "api/v1/cert-manager/ca/internal/" + "x" * 36 + "/certificates/" + "x" * 36 + "/der"
    entry = f'        {{\n            "Key": "{key}",\n            "VersionId": "{"v" * 32}"\n        }},\n'
    assert plan.VERSIONS * len(entry) + 100 < 128 * 1024


def test_emptying_quotes_the_name() -> None:
    line = plan.emptying("a; rm -rf /", REGION)
    assert line.count("a; rm") == line.count("'a; rm -rf /'") == 2
