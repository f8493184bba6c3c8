"""Settings of AWS Private CA: forms of ARNs, templates, identity."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS
from evercert.registry import Component
from evercert.schema import printable

ID = "12345678-1234-1234-1234-123456789012"
CA = f"arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/{ID}"
TEMPLATE = "arn:aws:acm-pca:::template/EndEntityServerAuthCertificate/V1"


def settings(**changes: Any) -> Any:
    return ISSUERS.settings(Component.model_validate({"type": "aws-private-ca", "arn": CA, **changes}))


def test_settings_have_defaults() -> None:
    found = settings()
    assert (found.region, found.template.name) == ("eu-central-1", "EndEntityCertificate/V1")
    assert found.template_in_use == "arn:aws:acm-pca:::template/EndEntityCertificate/V1"
    assert (found.signing_algorithm, found.pending_for) == (None, timedelta(days=1))


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_default_template_is_in_the_partition(partition: str) -> None:
    found = settings(arn=CA.replace("arn:aws:", f"arn:{partition}:"))
    assert found.template_in_use == f"arn:{partition}:acm-pca:::template/EndEntityCertificate/V1"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("arn", CA.replace("acm-pca", "acm"), "must be the ARN of a CA"),
        ("arn", CA.replace("111122223333", ""), "must be the ARN of a CA"),
        ("arn", f"{CA}/certificate/1", "must be the ARN of a CA"),
        ("arn", ID, "must be the ARN of a CA"),
        ("template-arn", "EndEntityCertificate/V1", "must be the ARN of a template"),
        ("template-arn", "arn:aws:acm-pca:::template/EndEntityCertificate", "must be the ARN of a template"),
        ("template-arn", "arn:aws:acm-pca:::template/RootCACertificate/V1", "for end-entity certificates"),
        ("template-arn", "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0/V1", "for end-entity"),
        ("template-arn", "arn:aws:acm-pca:::template/BlankRootCACertificate_CSRPassthrough/V1", "for end-entity"),
        ("template-arn", TEMPLATE.replace("aws:acm", "aws-cn:acm"), "must begin with arn:aws:, as arn does"),
        ("signing-algorithm", "SM3WITHSM2", "Input should be"),
        ("signing-algorithm", "ML_DSA_65", "Input should be"),
        ("pending-for", "31d", "must be at most 30d"),
        ("region", "eu-central-1", "Extra inputs are not permitted"),
    ],
)
def test_settings_refuse_what_aws_would_refuse(key: str, value: str, message: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        settings(**{key: value})
    assert message in str(raised.value)
    assert key in str(raised.value)
    assert printable(str(raised.value)) == str(raised.value)


def test_identity_is_authority_and_template() -> None:
    kind = ISSUERS.load("aws-private-ca")
    same = {
        "template-arn": "arn:aws:acm-pca:::template/EndEntityCertificate/V1",
        "signing-algorithm": "SHA512WITHECDSA",
    }
    assert kind.identity(settings()) == kind.identity(settings(**same, **{"pending-for": "1h"}))
    others = [settings(**{"template-arn": TEMPLATE}), settings(arn=CA.replace("1234", "4321"))]
    identities = [kind.identity(one) for one in [settings(), *others]]
    assert all(one not in identities[:place] for place, one in enumerate(identities))
