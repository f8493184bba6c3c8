"""Permissions for CAs of AWS Private CA."""

from __future__ import annotations

import json
import re

import pytest

from evercert.issuers.aws_private_ca import settings
from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.tools.template import TEMPLATE

CA = "arn:aws:acm-pca:eu-central-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012"
SHARED = "arn:aws:acm-pca:us-east-1:444455556666:certificate-authority/87654321-1234-1234-1234-123456789012"
TEMPLATES = {
    "EndEntityCertificate/V1": True, "EndEntityClientAuthCertificate_APIPassthrough/V1": True,
    "BlankEndEntityCertificate_CSRPassthrough/V1": True, "CodeSigningCertificate/V1": True,
    "OCSPSigningCertificate_CSRPassthrough/V1": True, "RootCACertificate/V1": False,
    "SubordinateCACertificate_PathLen0/V1": False, "BlankSubordinateCACertificate_PathLen0_CSRPassthrough/V1": False,
    "BlankRootCACertificate_APIPassthrough/V1": False,
}  # fmt: skip


def allowed(action: str, ca: str = CA, template: str | None = None, arns: str = f"{CA},{SHARED}") -> bool:
    deployment = Deployment({"PrivateCaArns": arns})
    context = {} if template is None else {"acm-pca:TemplateArn": f"arn:aws:acm-pca:::template/{template}"}
    region = {"aws:RequestedRegion": ca.split(":")[3]}
    request = Request(deployment.arn("IssuerRole"), f"acm-pca:{action}", ca, {**context, **region})
    return evaluate(request, deployment.roles["IssuerRole"]).allowed


def test_private_cas_are_empty_by_default() -> None:
    assert TEMPLATE["Parameters"]["PrivateCaArns"]["Default"] == ""
    assert "acm-pca" not in json.dumps(Deployment().properties("IssuerRole"))
    assert not allowed("IssueCertificate", template="EndEntityCertificate/V1", arns="")


@pytest.mark.parametrize("action", ["DescribeCertificateAuthority", "GetCertificate", "RevokeCertificate"])
def test_only_listed_cas_are_used(action: str) -> None:
    assert [allowed(action, ca) for ca in (CA, SHARED, CA.replace("1234", "4321"))] == [True, True, False]


@pytest.mark.parametrize("action", ["DeleteCertificateAuthority", "UpdateCertificateAuthority", "PutPolicy"])
def test_cas_are_not_changed(action: str) -> None:
    assert not allowed(action)


@pytest.mark.parametrize("template", TEMPLATES)
def test_only_end_entities_are_certified(template: str) -> None:
    assert allowed("IssueCertificate", template=template) is TEMPLATES[template]


@pytest.mark.parametrize("template", TEMPLATES)
def test_settings_accept_the_templates_of_the_role(template: str) -> None:
    found = re.fullmatch(settings._TEMPLATE, f"arn:aws:acm-pca:::template/{template}")
    assert (found is not None) is TEMPLATES[template]


def test_request_without_a_template_is_denied() -> None:
    """The default template of AWS is one for end entities, but the condition key is then absent; evercert names it."""
    assert not allowed("IssueCertificate")


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_templates_have_the_arns_of_the_partition(partition: str) -> None:
    document = json.dumps(Deployment({"PrivateCaArns": CA}, partition=partition).properties("IssuerRole"))
    assert document.count(f'"arn:{partition}:acm-pca:::template/') == 4
