"""The issuer for AWS Private CA against the strict double."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.contracts.issuer import Issued, PendingAnswer
from evercert.errors import GaveUp, Misconfigured, Rejected, Throttled, Unavailable, Unsuited
from evercert.issuers.aws_private_ca.issuer import MOST_UNKNOWN, POLLS, AWSPrivateCA
from evercert.issuers.aws_private_ca.progress import Progress
from evercert.issuers.context import IssuerContext
from evercert.pki.certificate import mismatches
from evercert.pki.keys import PrivateKey
from evercert.pki.path.validation import validate
from tests.doubles.fakes import START
from tests.doubles.private_ca import KEY, TOKEN, PrivateCABench

SHORT_LIVED = "SHORT_LIVED_CERTIFICATE"


@pytest.fixture
def bench() -> PrivateCABench:
    return PrivateCABench()


def pending(answer: Issued | PendingAnswer) -> PendingAnswer:
    assert isinstance(answer, PendingAnswer)
    return answer


# -- issue ------------------------------------------------------------------------------------------------------------
def test_certificate_has_chain_and_reference(bench: PrivateCABench) -> None:
    request = bench.request()
    issued = bench.finish(bench.open(), request)
    assert mismatches(issued.chain, request.spec.attributes, KEY.public_bytes(), profiled=issued.profiled) == []
    leaf, issuing, root = issued.chain.certificates
    assert validate(leaf, [issuing, root], bench.clock()).faults == ()
    assert issued.reference in bench.aws.certificates
    assert bench.regions == ["eu-central-1"]


def test_request_has_the_parameters_of_spec_and_settings(bench: PrivateCABench) -> None:
    template = "arn:aws:acm-pca:::template/EndEntityServerAuthCertificate/V1"
    request = bench.request(attributes={"common-name": "www.example.com", "ttl": "36h"})
    bench.open(**{"template-arn": template, "signing-algorithm": "SHA512WITHECDSA"}).issue(request)
    assert request.csr is not None
    assert dict(bench.aws.asked)["IssueCertificate"] == {
        "CertificateAuthorityArn": bench.arn, "Csr": request.csr.encode(), "IdempotencyToken": TOKEN,
        "SigningAlgorithm": "SHA512WITHECDSA", "TemplateArn": template,
        "Validity": {"Type": "ABSOLUTE", "Value": int((START + timedelta(hours=36)).timestamp())},
    }  # fmt: skip
    purposes = bench.aws.issued[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [purpose.dotted_string for purpose in purposes] == ["1.3.6.1.5.5.7.3.1"]


def test_first_answer_has_the_arn_of_the_certificate(bench: PrivateCABench) -> None:
    answer = pending(bench.open().issue(bench.request()))
    assert Progress.parse(answer.handle).certificate in bench.aws.certificates
    assert answer.deadline == START + timedelta(days=1)
    assert answer.pause == timedelta(seconds=1)


def test_repeated_request_issues_one_certificate(bench: PrivateCABench) -> None:
    """A run died after the request, and another one repeats it with a later time."""
    first = pending(bench.open().issue(bench.request()))
    bench.clock.advance(minutes=4)
    again = pending(bench.open().issue(replace(bench.request(), asked_before=True)))
    assert again.handle == first.handle
    assert len(bench.aws.issued) == 1


def test_polls_become_rarer(bench: PrivateCABench) -> None:
    bench.aws.polls = 100
    issuer, request = bench.open(), bench.request()
    answer, waits = pending(issuer.issue(request)), []
    for _ in range(len(POLLS) + 2):
        waits.append((answer.retry_at - bench.clock()).total_seconds())
        assert (answer.pause is None) is (waits[-1] > 2)
        bench.clock.now = answer.retry_at
        answer = pending(issuer.issue(replace(request, now=bench.clock(), handle=answer.handle)))
    assert waits == [*POLLS, POLLS[-1], POLLS[-1]]
    assert bench.aws.calls("IssueCertificate") == 1


def test_deadline_is_that_of_the_settings(bench: PrivateCABench) -> None:
    answer = pending(bench.open(**{"pending-for": "2h"}).issue(bench.request()))
    assert answer.deadline == START + timedelta(hours=2)


def test_handle_of_an_issued_certificate_reads_it_again(bench: PrivateCABench) -> None:
    issuer, request = bench.open(), bench.request()
    issued = bench.finish(issuer, request)
    again = issuer.issue(replace(request, handle=issued.handle))
    assert isinstance(again, Issued)
    assert again.chain.certificates == issued.chain.certificates


@pytest.mark.parametrize("key", ["RSA_2048", "EC_secp384r1"])
@pytest.mark.parametrize("algorithm", ["RSA_2048", "EC_prime256v1"])
def test_key_of_the_authority_signs(key: str, algorithm: Any) -> None:
    bench = PrivateCABench(key=key, signing="SHA384WITHRSA" if key == "RSA_2048" else "SHA384WITHECDSA")
    issued = bench.finish(bench.open(), bench.request(key=PrivateKey.generate(algorithm)))
    assert issued.chain.leaf.signature_hash_algorithm is not None
    assert issued.chain.leaf.signature_hash_algorithm.name == "sha384"


def test_pss_signature_is_accepted() -> None:
    bench = PrivateCABench(key="RSA_2048")
    issued = bench.finish(bench.open(**{"signing-algorithm": "SHA256WITHRSA_PSS"}), bench.request())
    leaf, *others = issued.chain.certificates
    assert validate(leaf, others, bench.clock()).faults == ()


def test_root_authority_has_a_chain_of_two() -> None:
    bench = PrivateCABench(subordinate=False)
    assert len(bench.finish(bench.open(), bench.request()).chain.certificates) == 2


# -- refusals ---------------------------------------------------------------------------------------------------------
def test_short_lived_authority_is_not_asked_for_more() -> None:
    bench = PrivateCABench(usage_mode=SHORT_LIVED)
    with pytest.raises(Unsuited, match="at most 7 days"):
        bench.open().issue(bench.request())
    assert bench.aws.calls("IssueCertificate") == 0


@pytest.mark.parametrize("ttl", [None, "7d", "1h"])
def test_short_lived_authority_issues_a_week(ttl: str | None) -> None:
    bench = PrivateCABench(usage_mode=SHORT_LIVED)
    attributes = {"common-name": "www.example.com", **({"ttl": ttl} if ttl else {})}
    assert bench.finish(bench.open(), bench.request(attributes=attributes))


def test_without_a_description_the_authority_refuses_itself() -> None:
    """A shared CA, or a role without DescribeCertificateAuthority."""
    bench = PrivateCABench(usage_mode=SHORT_LIVED)
    issuer = bench.open(**{"signing-algorithm": "SHA256WITHECDSA"})
    bench.aws.refusals["DescribeCertificateAuthority"] = ["AccessDeniedException"] * 2
    with pytest.raises(Unsuited, match="ValidationException: The validity exceeds 7 days; compare ttl"):
        issuer.issue(bench.request())
    attributes = {"common-name": "www.example.com", "ttl": "7d"}
    assert bench.finish(issuer, bench.request(attributes=attributes))


def test_description_is_needed_without_a_signing_algorithm(bench: PrivateCABench) -> None:
    bench.aws.refusals["DescribeCertificateAuthority"] = ["AccessDeniedException"]
    with pytest.raises(
        Misconfigured, match=r"cannot describe CA .*AccessDenied.*; or set signing-algorithm of the issuer$"
    ):
        bench.open().issue(bench.request())


def test_description_is_cached(bench: PrivateCABench) -> None:
    issuer = bench.open()
    for number in range(3):
        issuer.issue(bench.request(token=f"token {number}"))
    assert bench.aws.calls("DescribeCertificateAuthority") == 1


def test_cached_description_refuses_nothing(bench: PrivateCABench) -> None:
    """The CA's certificate was renewed since."""
    bench.aws.authorities[bench.arn].years = 1
    issuer = bench.open()
    issuer.issue(bench.request())
    assert issuer._authority is not None
    issuer._authority = replace(issuer._authority, expires=START + timedelta(days=1))
    issuer.issue(bench.request(token="other"))
    assert bench.aws.calls("DescribeCertificateAuthority") == 2
    assert len(bench.aws.issued) == 2


@pytest.mark.parametrize("operation", ["DescribeCertificateAuthority", "IssueCertificate"])
@pytest.mark.parametrize(("code", "kind"), [("ThrottlingException", Throttled), ("ServiceUnavailable", Unavailable)])
def test_outage_is_no_refusal(bench: PrivateCABench, operation: str, code: str, kind: type[Exception]) -> None:
    bench.aws.refusals[operation] = [code]
    with pytest.raises(kind):
        bench.open(**{"signing-algorithm": "SHA256WITHECDSA"}).issue(bench.request())
    assert bench.aws.issued == []


def test_failed_request_needs_a_new_revision(bench: PrivateCABench) -> None:
    issuer, request = bench.open(), bench.request()
    handle = pending(issuer.issue(request)).handle
    bench.aws.refusals["GetCertificate"] = ["RequestFailedException"]
    with pytest.raises(GaveUp, match=r"RequestFailedException: .*; AWS gives no reason"):
        issuer.issue(replace(request, handle=handle))


def test_new_certificate_may_be_unknown_for_a_moment(bench: PrivateCABench) -> None:
    issuer, request = bench.open(), bench.request()
    answer = pending(issuer.issue(request))
    bench.aws.refusals["GetCertificate"] = ["ResourceNotFoundException"] * (MOST_UNKNOWN + 1)
    for _ in range(MOST_UNKNOWN):
        answer = pending(issuer.issue(replace(request, handle=answer.handle)))
    with pytest.raises(GaveUp, match="evercert requests another certificate"):
        issuer.issue(replace(request, handle=answer.handle))


@pytest.mark.parametrize(
    "handle", ["", "{}", "[]", "7", "x", '{"certificate":7}', '{"certificate":"arn:a","polls":-1}', '{"certificate":"arn:a","polls":true}',
               '{"certificate":"arn:a","other":1}', '{"certificate":"arn:\\ud800"}']
)  # fmt: skip
def test_edited_progress_is_refused(bench: PrivateCABench, handle: str) -> None:
    with pytest.raises(
        Misconfigured, match="the stored progress of the request does not parse; run: evercert renew NAME"
    ):
        bench.open().issue(bench.request(handle=handle))


def test_certificate_that_does_not_parse_is_an_outage(bench: PrivateCABench, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, request = bench.open(), bench.request()
    answer = pending(issuer.issue(request))
    monkeypatch.setattr(bench.aws, "get_certificate", lambda **_: {"Certificate": "no PEM"})
    with pytest.raises(Unavailable, match="no PEM certificate found; check the network and the endpoint"):
        issuer.issue(replace(request, handle=answer.handle))


# -- revoke and cancel ------------------------------------------------------------------------------------------------
def test_leaf_is_revoked_as_superseded(bench: PrivateCABench) -> None:
    issuer = bench.open()
    issued = bench.finish(issuer, bench.request())
    for _ in range(2):
        issuer.revoke(issued.chain, issued.reference)
    assert bench.aws.revoked == [issued.chain.leaf]
    assert {one.revoked for one in bench.aws.certificates.values()} == {"SUPERSEDED"}


def test_cancelled_request_is_revoked(bench: PrivateCABench) -> None:
    issuer = bench.open()
    handle = pending(issuer.issue(bench.request())).handle
    with pytest.raises(Unavailable, match="the CA has not issued it yet; revoke it later"):
        issuer.cancel(handle)
    issuer.cancel(handle)
    assert bench.aws.revoked == bench.aws.issued


# -- other calls ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("key", "expected"), [("RSA_2048", "RSA_2048"), ("EC_secp384r1", "EC_secp384r1")])
def test_key_algorithm_is_that_of_the_authority(key: str, expected: str) -> None:
    assert PrivateCABench(key=key).open().key_algorithm() == expected


def test_key_algorithm_is_free_without_a_description(bench: PrivateCABench) -> None:
    bench.aws.refusals["DescribeCertificateAuthority"] = ["AccessDeniedException"] * 2
    assert bench.open(**{"signing-algorithm": "SHA256WITHECDSA"}).key_algorithm() is None
    with pytest.raises(Misconfigured, match="or set signing-algorithm of the issuer"):
        bench.open().key_algorithm()


def test_reach_describes_the_authority_each_time(bench: PrivateCABench) -> None:
    issuer = bench.open()
    issuer.reach()
    bench.aws.authorities[bench.arn].status = "DISABLED"
    with pytest.raises(Misconfigured, match="its status is DISABLED; enable it"):
        issuer.reach()


def test_issuer_needs_the_issuer_function(bench: PrivateCABench) -> None:
    context = IssuerContext(None, None, None, bench.clock)  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="only the issuer function can"):
        AWSPrivateCA(bench.settings(), lambda: context)


def test_refusal_of_a_spec_is_final(bench: PrivateCABench) -> None:
    with pytest.raises(Rejected):
        bench.open().issue(
            bench.request(attributes={"common-name": "a.example.com", "extended-key-usages": ["code_signing"]})
        )
