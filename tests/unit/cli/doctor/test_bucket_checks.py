"""Check of `doctor` for the bucket of CRLs: missing, without versions, behind the table, unreadable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.authority.ca.public_files import crl_file
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.cli import terminal
from evercert.cli.doctor import bucket_checks, stack_checks
from evercert.cli.doctor.stack_checks import Check
from tests.doubles.authority.public_store import StrictS3
from tests.doubles.strict_aws import refuse
from tests.samples import authority

BUCKET, HOUR = "evercert-authoritybucket-1", timedelta(hours=1)


class Authority:
    """An authority with one CA and its bucket; both have list 5."""

    def __init__(self) -> None:
        self.s3, self.list = StrictS3(), authority.crl(5)
        self.s3.lists = True
        self.outputs = {"AuthorityBucket": BUCKET, "AuthorityFunction": "front"}
        self.copy(5)

    def copy(self, number: int) -> None:
        S3PublicStore(self.s3, BUCKET).put(crl_file("ca-1", authority.crl(number), datetime.now(UTC)))  # type: ignore[arg-type]

    def look(self) -> list[Check]:
        found: Any = SimpleNamespace(
            connection=SimpleNamespace(outputs=self.outputs, output=self.outputs.__getitem__),
            clients=SimpleNamespace(s3=self.s3),
            configuration=SimpleNamespace(cas=lambda: [SimpleNamespace(id="ca-1", name="issuing-ec")]),
            certificates=SimpleNamespace(published=lambda _: self.list),
        )
        return [
            check for name, look in bucket_checks.of_bucket(found).items() for check in stack_checks.run(name, look)
        ]


@pytest.fixture
def deployed() -> Authority:
    return Authority()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    return lambda by: monkeypatch.setattr(terminal, "now", lambda: datetime.now(UTC) + by)


def test_bucket_with_the_latest_list_is_ok(deployed: Authority) -> None:
    assert deployed.look() == [Check("bucket", "ok", "has the latest CRLs")]


def test_bucket_that_is_newer_than_the_read_is_ok(deployed: Authority) -> None:
    deployed.copy(6)  # published after the table was read
    assert deployed.look()[0].status == "ok"


@pytest.mark.parametrize(("age", "status"), [(3 * HOUR, "warning"), (50 * HOUR, "failed")])
def test_bucket_behind_the_table_is_reported(
    deployed: Authority, later: Callable[[timedelta], None], age: timedelta, status: str
) -> None:
    deployed.list = authority.crl(6)
    later(age)
    (check,) = deployed.look()
    hours = age // HOUR
    assert (check.status, check.found) == (status, f"has an outdated copy of the CRL of CA issuing-ec, {hours} h old")
    assert '--function-name front --payload \'{"task": "files"}\'' in check.remedy


def test_bucket_without_the_list_fails(deployed: Authority) -> None:
    deployed.s3.objects.clear()
    (check,) = deployed.look()
    assert (check.status, check.found.partition(":")[0]) == ("failed", "lacks the CRL of CA issuing-ec")


def test_bucket_with_an_edited_list_is_reported(deployed: Authority) -> None:
    (stored,) = deployed.s3.objects.values()
    stored.headers["Metadata"] = {}
    assert deployed.look()[0].status == "warning"


def test_list_that_is_not_published_yet_is_no_problem(deployed: Authority) -> None:
    deployed.s3.objects.clear()
    deployed.list = None  # type: ignore[assignment]
    assert deployed.look()[0].status == "ok"


@pytest.mark.parametrize("versioning", [None, "Suspended"])
def test_bucket_without_versions_is_reported(deployed: Authority, versioning: str | None) -> None:
    deployed.s3.versioning = versioning
    (check,) = deployed.look()
    assert (check.status, check.found) == ("warning", f"{BUCKET} keeps no earlier versions")
    assert check.remedy.startswith(f"aws s3api put-bucket-versioning --bucket {BUCKET}")


def answering(deployed: Authority, error: Exception, method: str) -> list[Check]:
    def refused(**_: Any) -> None:
        raise error

    setattr(deployed.s3, method, refused)
    return deployed.look()


def test_missing_bucket_fails(deployed: Authority) -> None:
    (check,) = answering(deployed, refuse("NoSuchBucket", "GetBucketVersioning", status=404), "get_bucket_versioning")
    assert (check.status, check.found) == ("failed", f"there is no bucket {BUCKET}")


def test_missing_permission_is_unknown(deployed: Authority) -> None:
    (versions,) = answering(deployed, refuse("AccessDenied", "GetBucketVersioning"), "get_bucket_versioning")
    assert (versions.status, versions.found) == ("unknown", "you lack the permission for GetBucketVersioning")


def test_missing_permission_for_objects_is_unknown(deployed: Authority) -> None:
    """Without s3:ListBucket S3 answers 403 for a missing object too."""
    deployed.s3.lists = deployed.s3.readable = False
    (check,) = deployed.look()
    assert (check.status, check.remedy) == ("unknown", "request s3:GetObject and s3:ListBucket")


def test_stack_of_an_older_template_has_no_check(deployed: Authority) -> None:
    del deployed.outputs["AuthorityBucket"]
    assert deployed.look() == []
