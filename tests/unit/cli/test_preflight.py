"""`apply` refuses what ACM would refuse later, before anything is written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.aws.tags import Owner
from evercert.contracts.record import Delivery
from evercert.destinations.aws_account import tags_of
from evercert.documents.spec import Component
from evercert.issuers import ISSUERS
from tests.doubles.command import STACK_ID, Command
from tests.doubles.fakes import spec
from tests.doubles.strict_acm import StrictACM
from tests.doubles.strict_aws import refuse
from tests.samples.certificates import certificate, key_pem

MAIN = Component(type="self-signed")
DOCUMENT = """
version: evercert/v1
certificates:
  - name: web
    issuer: main
    attributes: {{common-name: www.example.com, ttl: 90d{more}}}
    private-key: {{algorithm: {algorithm}}}
    destinations: [{{type: acm}}]
    labels: {{team: web}}
"""


@pytest.fixture
def held(command: Command) -> Command:
    """Return a certificate that ACM holds, with an EC key."""
    acm: Any = StrictACM(lambda: command.now)
    command.clients = SimpleNamespace(acm=acm, acm_once=acm)
    leaf = certificate("EC_prime256v1", ("dns:www.example.com",))
    arn = acm.import_certificate(
        Certificate=leaf.public_bytes(Encoding.PEM), PrivateKey=key_pem("EC_prime256v1"),
        Tags=[{"Key": key, "Value": value} for key, value in tags_of(Owner.of(STACK_ID), "web").items()],
    )["CertificateArn"]  # fmt: skip
    command.table.write_issuer("main", MAIN)
    one = spec(destinations=[{"type": "acm"}], **{"private-key": {"algorithm": "EC_prime256v1"}})
    command.store(
        "web", spec=one, request_hash=one.request_hash, issuer_hash=ISSUERS.identity_hash(MAIN), revision=1,
        deliveries={one.destinations[0].key: Delivery(revision=1, location=arn)},
    )  # fmt: skip
    return command


def apply(held: Command, tmp_path: Path, algorithm: str, more: str = "", *options: str) -> Any:
    file = tmp_path / "web.yaml"
    file.write_text(DOCUMENT.format(algorithm=algorithm, more=more))
    return held("apply", str(file), *options)


@pytest.mark.parametrize("options", [("--dry-run",), ()], ids=["dry-run", "apply"])
@pytest.mark.parametrize(
    ("algorithm", "more", "problem"),
    [
        ("RSA_2048", "", "ACM cannot change key type or size on reimport: it holds EC_prime256v1"),
        ("EC_secp384r1", "", "the new one is EC_secp384r1"),
    ],
    ids=["rsa", "other-curve"],
)
def test_refusal_of_acm_is_known_before(
    held: Command, tmp_path: Path, algorithm: str, more: str, problem: str, options: tuple[str, ...]
) -> None:
    before = held.table.record("web")
    ended = apply(held, tmp_path, algorithm, more, *options)
    assert (ended.code, ended.out) == (2, "")
    assert "web: destination acm: " in ended.err and problem in ended.err
    assert held.table.record("web") == before and not held.queue.sent


def test_change_that_acm_accepts_is_written(held: Command, tmp_path: Path) -> None:
    ended = apply(held, tmp_path, "EC_prime256v1", ", alt-names: [www.example.com, b.example.com]")
    assert (ended.code, ended.err) == (0, "")
    assert [nudge.certificate for nudge in held.queue.sent] == ["web"]


def test_label_is_compared_with_nothing(held: Command, tmp_path: Path) -> None:
    held.clients = SimpleNamespace()
    ended = apply(held, tmp_path, "EC_prime256v1")
    assert (ended.code, ended.err) == (0, "")
    assert "→ no new certificate" in ended.out


def test_missing_permission_is_a_note(held: Command, tmp_path: Path) -> None:
    def denied(**_: Any) -> None:
        raise refuse("AccessDeniedException", "GetCertificate")

    held.clients.acm.get_certificate = denied
    ended = apply(held, tmp_path, "RSA_2048")
    assert ended.code == 0
    assert "note: web: destination acm was not compared:" in ended.err


def test_certificate_of_another_owner_is_refused(held: Command, tmp_path: Path) -> None:
    (stored,) = held.clients.acm.certificates.values()
    stored.tags.clear()
    ended = apply(held, tmp_path, "EC_prime256v1", ", alt-names: [b.example.com]")
    assert (ended.code, "does not belong to this stack" in ended.err) == (2, True)


def test_missing_certificate_is_refused_if_the_document_names_it(held: Command, tmp_path: Path) -> None:
    (arn,) = held.clients.acm.certificates
    file = tmp_path / "named.yaml"
    text = DOCUMENT.format(algorithm="EC_prime256v1", more="").replace("{type: acm}", f"{{type: acm, arn: {arn}}}")
    file.write_text(text.replace("name: web", "name: other"))
    del held.clients.acm.certificates[arn]
    ended = held("apply", str(file), "--dry-run")
    assert (ended.code, f"ACM certificate {arn} does not exist" in ended.err) == (2, True)


def test_deleted_certificate_of_the_stack_is_imported_again(held: Command, tmp_path: Path) -> None:
    held.clients.acm.certificates.clear()
    assert apply(held, tmp_path, "RSA_2048").code == 0


def test_secret_of_another_owner_is_refused(held: Command, tmp_path: Path) -> None:
    held.clients.secretsmanager = SimpleNamespace(
        describe_secret=lambda **_: {"ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:x", "Name": "x", "Tags": []}
    )
    file = tmp_path / "secret.yaml"
    file.write_text(DOCUMENT.format(algorithm="RSA_2048", more="").replace("acm", "secrets-manager"))
    ended = held("apply", str(file))
    assert (ended.code, "secret evercert/certificates/web does not belong to this stack" in ended.err) == (2, True)
