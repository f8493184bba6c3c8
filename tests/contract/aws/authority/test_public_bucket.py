"""Contract of the store of public files: the emulator's bucket, the strict double of S3, and the fake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from evercert.authority.ca.public_files import PublicFile
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.errors import Misconfigured, Unavailable
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


@pytest.fixture
def s3() -> StrictS3:
    return StrictS3()


@pytest.fixture
def strict(s3: StrictS3) -> S3PublicStore:
    return S3PublicStore(s3, "published")  # type: ignore[arg-type]


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


@pytest.mark.parametrize("other", [NEWER, OLDER], ids=["newer", "older"])
def test_concurrent_write_is_compared_again(strict: S3PublicStore, s3: StrictS3, other: PublicFile) -> None:
    """The other writer comes between the comparison and the write."""
    strict.put(replace(FILE, content=b"list 3", number=3))
    s3.before_put = lambda: strict.put(other) and None
    assert strict.put(FILE) is (other is OLDER)
    assert s3.objects[KEY].content == max(FILE, other, key=lambda one: one.number).content


def test_concurrent_first_write_is_compared_again(strict: S3PublicStore, s3: StrictS3) -> None:
    s3.before_put = lambda: strict.put(NEWER) and None
    assert strict.put(FILE) is False
    assert s3.objects[KEY].content == NEWER.content


def test_deleted_object_is_written_again(strict: S3PublicStore, s3: StrictS3) -> None:
    strict.put(OLDER)
    s3.before_put = s3.objects.clear
    assert strict.put(FILE) is True


def test_lost_answer_of_a_write_is_not_repeated(strict: S3PublicStore, s3: StrictS3) -> None:
    """The client's second attempt meets what its first one wrote."""
    s3.before_put = lambda: strict.put(FILE) and None
    assert strict.put(FILE) is False
    assert s3.writes == 1


def test_running_write_of_another_is_tried_again(strict: S3PublicStore, s3: StrictS3) -> None:
    s3.conflicts = 3
    assert strict.put(FILE) is True
    s3.conflicts = 100
    with pytest.raises(Unavailable, match="other calls interfered; the daily task tries again"):
        strict.put(NEWER)
    assert s3.conflicts == 96


def test_unreadable_object_is_misconfigured(strict: S3PublicStore, s3: StrictS3) -> None:
    strict.put(OLDER)
    s3.readable = False
    with pytest.raises(Misconfigured, match="the role may not read it; allow s3:GetObject"):
        strict.put(FILE)
    assert s3.objects[KEY].content == OLDER.content


@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 15, "9" * 100, "٣"])
def test_manual_edit_of_the_number_is_replaced(strict: S3PublicStore, s3: StrictS3, number: str) -> None:
    strict.put(OLDER)
    s3.objects[KEY].headers["Metadata"] = {"number": number} if number else {}
    assert strict.put(FILE) is True
    assert strict.put(FILE) is False
