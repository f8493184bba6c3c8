"""The bucket of public files on S3 as it is for the front: conflicts, lost answers, missing permissions, manual edits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evercert.authority.ca.public_files import PublicFile
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.authority.public_store import StrictS3
from tests.doubles.fakes import START

FILE = PublicFile("/api/v1/cert-manager/crl/x/der", b"list 5", "application/pkix-crl", 300, START, 5)
KEY = FILE.path[1:]
NEWER = replace(FILE, content=b"list 6", number=6)
OLDER = replace(FILE, content=b"list 4", number=4)


@pytest.fixture
def s3() -> StrictS3:
    return StrictS3()


@pytest.fixture
def strict(s3: StrictS3) -> S3PublicStore:
    return S3PublicStore(s3, "published")  # type: ignore[arg-type]


def test_newer_object_is_left_alone(strict: S3PublicStore, s3: StrictS3) -> None:
    strict.put(NEWER)
    assert strict.put(FILE) is False
    assert s3.writes == 1


def test_object_has_the_headers_for_caches(strict: S3PublicStore, s3: StrictS3) -> None:
    strict.put(FILE)
    assert s3.objects[KEY].headers == {
        "ContentType": "application/pkix-crl",
        "CacheControl": "public, max-age=300",
        "Metadata": {"number": "5"},
    }


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
