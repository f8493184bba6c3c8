"""Destination S3: rules beyond those of every store, on the strict double."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.contracts.record import Delivery
from evercert.destinations.s3 import S3
from evercert.errors import Busy, Misconfigured
from tests.contract.destinations.stores import KEY, Object
from tests.contract.destinations.test_secrets_manager import bundle
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_s3 import Bucket

NO_DELIVERY = Delivery()
SETTINGS = {"bucket": "certificates", "kms-key": KEY}


@pytest.fixture
def store() -> Object:
    return Object(None)


def bucket(store: Object) -> Bucket:
    found: Bucket = store.client.buckets[store.id["Bucket"]]
    return found


def settings(**changes: Any) -> S3.Settings:
    return S3.Settings.model_validate({**SETTINGS, **changes}, context={"certificate": "*.example.com"})


@pytest.mark.parametrize(("form", "ending"), [("json", "json"), ("pem", "pem"), ("pkcs12", "p12")])
def test_default_key_has_the_ending_of_the_format(form: str, ending: str) -> None:
    more = {"passphrase": {"aws-secret": "evercert/credentials/a"}} if form == "pkcs12" else {}
    assert settings(format=form, **more).key == f"evercert/certificates/_wildcard.example.com.{ending}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kms-key": None}, "kms-key"),
        ({"bucket": "arn:aws:s3:::certificates"}, "write the name of a bucket"),
        ({"key": "evercert/credentials/a"}, "must begin with evercert/certificates/"),
        ({"key": "certificates/web.json"}, "must begin with evercert/certificates/"),
        ({"key": "evercert/certificates/../credentials/a"}, "between slashes"),
        ({"key": "evercert/certificates//a"}, "between slashes"),
        ({"region": "us-east-1"}, "must be a key in us-east-1, the region of the destination"),
    ],
    ids=["no key", "arn", "credentials", "prefix", "dots", "empty part", "region"],
)
def test_settings_refuse_other_places(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_other_accounts_choose_their_own_keys() -> None:
    assert settings(key="web/tls.json", role="arn:aws:iam::444455556666:role/evercert").key == "web/tls.json"


def test_object_is_sealed_by_the_key(store: Object) -> None:
    store.open().deliver(bundle(), NO_DELIVERY)
    assert [each.key for each in bucket(store).objects[store.id["Key"]]] == [KEY]


@pytest.mark.parametrize("status", [None, "Suspended"])
def test_bucket_without_versions_is_refused(store: Object, status: str | None) -> None:
    bucket(store).versioning = status
    destination = store.open()
    for call in (
        lambda: destination.deliver(bundle(), NO_DELIVERY),
        lambda: destination.inspect(NO_DELIVERY),
        lambda: destination.preflight(None, NO_DELIVERY),
        lambda: destination.examine(Delivery(revision=1, location="arn", version="v")),
    ):
        with pytest.raises(Misconfigured, match=r"has no versioning; enable it$"):
            call()
    assert store.client.writes == []


def test_versioning_that_was_suspended_later_is_refused(store: Object) -> None:
    store.open().deliver(bundle(), NO_DELIVERY)
    bucket(store).versioning = "Suspended"
    made = bundle()
    for _ in range(2):  # the object has the value then, but no version of its own
        with pytest.raises(Misconfigured, match="has no versioning; enable it"):
            store.open().deliver(made, NO_DELIVERY)


@pytest.mark.parametrize("existing", [False, True])
def test_lost_answer_creates_no_second_version(store: Object, existing: bool) -> None:
    """The SDK repeats the put, and its condition fails because of the first attempt."""
    if existing:
        store.open().deliver(bundle(), NO_DELIVERY)
    before = len(bucket(store).objects.get(store.id["Key"], []))
    store.client.lose_next_answer = True
    delivered = store.open().deliver(bundle(), NO_DELIVERY)
    assert len(store.versions()) == before + 1
    assert delivered.version == store.versions()[-1]


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_object_of_another_writer_is_not_overwritten(store: Object, code: str) -> None:
    put = store.client.put_object

    def overtaken(**arguments: Any) -> Any:
        if code == "PreconditionFailed":
            store.edit_with(put)
            return put(**arguments)
        raise refuse(code, "PutObject", "", 409)

    store.client.put_object = overtaken
    with pytest.raises(Busy, match="another client is changing it"):
        store.open().deliver(bundle(), NO_DELIVERY)
    if code == "PreconditionFailed":
        assert store.read() == b'{"by": "hand"}'


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ("account", "parameter DestinationBuckets and its key in SecretKeys, and check the policies of both"),
        ("policy", "parameter DestinationBuckets and its key in SecretKeys, and check the policies of both"),
        ("missing", "NoSuchBucket"),
        ("denied", "parameter DestinationBuckets and its key in SecretKeys, and check the policies of both"),
        ("disabled", "the KMS key of the object cannot be used: enable it"),
    ],
)
def test_unusable_bucket_or_key_is_misconfigured(store: Object, cause: str, message: str) -> None:
    match cause:
        case "account":  # S3 compares the owner with x-amz-expected-bucket-owner
            bucket(store).owner = "444455556666"
        case "policy":
            store.client.denied = True
        case "missing":
            del store.client.buckets[store.id["Bucket"]]
        case _:
            store.client.keys[KEY] = cause
    with pytest.raises(Misconfigured, match=message) as caught:
        store.open().deliver(bundle(), NO_DELIVERY)
    assert str(caught.value).count("DestinationBuckets") <= 1
    assert store.client.writes == []


def test_deleted_bucket_is_an_error_and_no_drift(store: Object) -> None:
    """A drift would request new certificates, and none could be delivered."""
    delivered = store.open().deliver(bundle(), NO_DELIVERY)
    store.client.buckets.clear()
    with pytest.raises(Misconfigured, match="NoSuchBucket"):
        store.open().examine(Delivery(revision=1, **vars(delivered)))
