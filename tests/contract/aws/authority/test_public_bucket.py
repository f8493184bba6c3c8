"""Contract of the store of public files: the emulator's bucket, the strict double of S3, and the fake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from evercert.authority.ca.public_files import PublicFile
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.errors import Misconfigured
from tests.doubles.authority.public_store import FakePublicStore, StrictS3
from tests.doubles.fakes import START
from tests.doubles.world import World

FILE = PublicFile("/api/v1/cert-manager/crl/x/der", b"list 5", "application/pkix-crl", 300, START, 5)
KEY = FILE.path[1:]
NEWER = replace(FILE, content=b"list 6", number=6)
OLDER = replace(FILE, content=b"list 4", number=4)


@pytest.fixture(params=["fake", "strict", "emulator"])
def store(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakePublicStore()
    if request.param == "strict":
        return S3PublicStore(StrictS3(), "published")  # type: ignore[arg-type]
    world: World = request.getfixturevalue("world")
    return S3PublicStore(world.operator.s3, world.authority_bucket())


def test_file_is_written_once(store) -> None:
    assert [store.put(FILE) for _ in range(3)] == [True, False, False]
    assert store.put(replace(FILE, path="/other")) is True


def test_newer_file_replaces_an_older_one(store) -> None:
    assert store.put(FILE) and store.put(NEWER)


def test_older_file_never_replaces_a_newer_one(store) -> None:
    assert store.put(FILE)
    assert store.put(OLDER) is False
    assert store.put(FILE) is False  # unchanged


def test_changed_content_of_one_number_is_restored(store) -> None:
    """A manual edit; the table has the right content."""
    assert store.put(replace(FILE, content=b"edited"))
    assert store.put(FILE) is True
    assert store.put(FILE) is False


def test_racing_writers_leave_the_newest_file(store) -> None:
    files = [replace(FILE, content=f"list {number}".encode(), number=number) for number in range(1, 5)]
    with ThreadPoolExecutor(len(files)) as threads:
        list(threads.map(store.put, files))
    assert store.put(files[-1]) is False


def test_object_has_the_headers_of_the_file(world: World) -> None:
    """Without a policy of the bucket, only the account reads it."""
    bucket, s3 = world.authority_bucket(), world.operator.s3
    S3PublicStore(s3, bucket).put(FILE)
    found = s3.get_object(Bucket=bucket, Key=KEY)
    assert found["Body"].read() == FILE.content
    assert (found["ContentType"], found["CacheControl"]) == ("application/pkix-crl", "public, max-age=300")
    address = f"{s3.meta.endpoint_url}/{bucket}{FILE.path}"
    assert httpx.get(address, timeout=10).status_code == 403


def test_missing_bucket_is_misconfigured(world: World) -> None:
    with pytest.raises(Misconfigured, match="cannot store /api/v1/cert-manager/crl/x/der in bucket no-such-bucket"):
        S3PublicStore(world.operator.s3, "no-such-bucket").put(FILE)
