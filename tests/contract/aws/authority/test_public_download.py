"""Third-party programs load CRLs from the bucket over http, from the addresses in certificates."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from evercert.authority.ca.definition import CA
from evercert.authority.ca.public_paths import crl_path
from evercert.authority.ca.signing_orders import Revoked
from evercert.authority.infisical_api.services import Services
from evercert.aws.authority.public_bucket import S3PublicStore
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.ceremony import order, pem
from tests.doubles.infisical.http_server import Answer, Serving
from tests.doubles.world import World, load_template
from tests.tools.local_stack import REGION
from tests.tools.relay import forward

KEPT = ("content-type", "etag", "last-modified", "cache-control")


def read_policy(bucket: str) -> str:
    """Return the template's policy for PublishedBy=bucket-policy."""
    statements = load_template()["Resources"]["AuthorityBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    reading = next(one["If"][1] for one in statements if "If" in one)
    places = [one["Sub"].replace("${AuthorityBucket.Arn}", f"arn:aws:s3:::{bucket}") for one in reading["Resource"]]
    read = {"Effect": "Allow", "Principal": "*", "Action": reading["Action"], "Resource": places}
    return json.dumps({"Version": "2012-10-17", "Statement": [read]})


@dataclass
class Published:
    """An authority whose certificates name a host that leads to its bucket."""

    setting: Setting
    front: Services
    folder: Path

    @property
    def issuing(self) -> CA:
        return self.setting.cas["EC-issuing"]

    def leaf(self) -> x509.Certificate:
        signed = self.setting.signing.leaf(order(self.issuing, datetime.now(UTC), key_usages=("digital_signature",)))
        return x509.load_der_x509_certificate(signed)

    def run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def written(self, name: str, certificate: x509.Certificate) -> str:
        file = self.folder / f"{name}.pem"
        file.write_text(pem(certificate))
        return str(file)

    def verdict(self, leaf: x509.Certificate) -> str:
        return self.run(
            "openssl", "verify", "-x509_strict", "-crl_check", "-crl_download",
            "-trusted", self.written("root", self.setting.cas["EC-root"].current.x509),
            "-untrusted", self.written("issuing", self.issuing.current.x509), self.written("leaf", leaf),
        )  # fmt: skip


@pytest.fixture
def published(world: World, tmp_path: Path) -> Iterator[Published]:
    """Forward each request with the host name of the bucket, which does not resolve here."""
    bucket, s3 = world.authority_bucket(), world.operator.s3
    open_to_policies = {"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=open_to_policies)
    s3.put_bucket_policy(Bucket=bucket, Policy=read_policy(bucket))
    emulator, host = urlsplit(s3.meta.endpoint_url).netloc, f"{bucket}.s3.{REGION}.amazonaws.com"

    def relay(method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        status, found, content = forward(emulator, (method, target, headers, body), dropped={"host"}, host=host)
        return status, {name: found[name] for name in KEPT if name in found}, content

    serving = Serving(relay)
    serving.start()
    setting = Setting(lambda: datetime.now(UTC), f"http://127.0.0.1:{serving.port}")
    yield Published(setting, Services(setting.ports(public_store=S3PublicStore(s3, bucket))), tmp_path)
    serving.stop()


@pytest.mark.peer("openssl")
def test_openssl_downloads_the_list_from_the_bucket(published: Published) -> None:
    good, revoked = published.leaf(), published.leaf()
    assert "unable to get certificate CRL" in published.verdict(good)
    entry = Revoked(revoked.serial_number, datetime.now(UTC), "superseded")
    published.front.crl_publisher.publish_revoked(published.issuing.id, {revoked.serial_number: entry})
    assert published.verdict(good).endswith(": OK\n")
    assert "certificate revoked" in published.verdict(revoked)


@pytest.mark.peer("curl")
def test_curl_downloads_and_revalidates_a_list(published: Published) -> None:
    published.front.crl_publisher.publish(published.issuing.id)
    published.front.copies.copy_all()
    file, tag = published.folder / "list.der", str(published.folder / "tag")
    address = published.setting.address + crl_path(published.issuing.id)
    load = ("curl", "-sS", "-w", "%{http_code} %{content_type}", "-o", str(file))
    assert published.run(*load, "--etag-save", tag, address) == "200 application/pkix-crl"
    assert file.read_bytes() == published.setting.certificates.published(published.issuing.id)
    assert published.run(*load, "--etag-compare", tag, address).startswith("304")
    assert published.run(*load, address + "/other").startswith("40")


@pytest.mark.peer("openssl")
@pytest.mark.peer("curl")
def test_issuer_addresses_lead_to_the_bucket(published: Published) -> None:
    published.front.copies.copy_all()
    (access,) = published.leaf().extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    file = str(published.folder / "issuer.der")
    said = published.run("curl", "-sS", "-w", "%{content_type}", "-o", file, access.access_location.value)
    assert said == "application/pkix-cert"
    assert "CN = EC issuing" in published.run("openssl", "x509", "-inform", "der", "-in", file, "-noout", "-subject")
