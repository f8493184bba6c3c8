"""Destination ACM, against the emulator and against the strict double of ACM."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evercert.contracts.destination import Drift
from evercert.contracts.issuer import Request
from evercert.contracts.record import Delivery
from evercert.destinations import acm_rules
from evercert.destinations.acm import ACM
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Component
from evercert.errors import Gone, Misconfigured, QuotaExceeded, Rejected, Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.strict_acm import StrictACM
from tests.doubles.strict_aws import ACCOUNT, REGION, refuse
from tests.doubles.world import World
from tests.samples.certificates import authority, certificate, key_pem, pem, private_key

NO_DELIVERY = Delivery()
EC, RSA = "EC_prime256v1", "RSA_2048"
SERVER, CLIENT, EMAIL, FOREIGN = *(f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 4)), "1.3.6.1.4.1.311.20.2.2"


class RecordingClient:
    """ACM client that records imports; `before_import` can change ACM or raise an error first."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.imports: list[dict[str, Any]] = []
        self.before_import: Callable[[], None] = lambda: None

    def import_certificate(self, **arguments: Any) -> Any:
        self.imports.append(arguments)
        self.before_import()
        return self._client.import_certificate(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def stack_id(stack: str, region: str = REGION) -> str:
    return f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{stack}/1"


@dataclass
class Harness:
    client: Any
    stack: str
    now: Callable[[], datetime]

    @property
    def owner(self) -> str:
        return f"{ACCOUNT}/{REGION}/{self.stack}"

    def open(self, certificate: str = "web", stack: str | None = None, home: str = REGION, **settings: str) -> ACM:
        context = DestinationContext(
            stack_id(stack or self.stack, home), SimpleNamespace(acm=self.client, acm_once=self.client)
        )
        component = Component.model_validate({"type": "acm", **settings})
        return RegisteredDestinations(context).open(component, certificate)

    def leaf(self, arn: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.client.get_certificate(CertificateArn=arn)["Certificate"].encode())

    def tags(self, arn: str) -> dict[str, str]:
        return {t["Key"]: t["Value"] for t in self.client.list_tags_for_certificate(CertificateArn=arn)["Tags"]}

    def import_manually(self, bundle: Bundle, arn: str | None = None) -> str:
        where = {} if arn is None else {"CertificateArn": arn}
        key = bundle.private_key.pem().encode()
        found = self.client.import_certificate(Certificate=pem(bundle.chain.leaf), PrivateKey=key, **where)
        self.client.imports.clear()
        return found["CertificateArn"]


def strict(**more: Any) -> Harness:
    clock = HandClock()

    def ticking() -> datetime:
        clock.advance(seconds=1)
        return clock()

    return Harness(RecordingClient(StrictACM(ticking, **more)), "stack", clock)


@pytest.fixture(params=["strict", "acm"])
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    if request.param == "strict":
        yield strict()
        return
    world: World = request.getfixturevalue("world")
    yield Harness(RecordingClient(world.operator.acm), f"stack-{uuid.uuid4().hex[:12]}", lambda: datetime.now(UTC))


def bundle(algorithm: str = EC, *names: str, number: int = 0, above: tuple[Any, ...] = (), **more: Any) -> Bundle:
    leaf = certificate(algorithm, names or ("dns:www.example.com",), number=number, **more)
    return Bundle(Chain((leaf, *above)), PrivateKey(private_key(algorithm, number)))


def deliver(harness: Harness, made: Bundle | None = None, here: Delivery = NO_DELIVERY, **settings: str) -> Delivery:
    return Delivery(revision=1, **vars(harness.open(**settings).deliver(made or bundle(), here)))


def test_delivery_imports_the_bundle_with_tags(harness: Harness) -> None:
    made = bundle(above=(authority(EC, issuer="Root"), authority(EC, common_name="Root", issuer="Root")))
    here = deliver(harness, made)
    assert here.version == made.chain.serial_number
    assert harness.leaf(here.location) == made.chain.leaf
    assert harness.tags(here.location) == {"evercert:stack": harness.owner, "evercert:certificate": "web"}
    found = harness.client.get_certificate(CertificateArn=here.location)["CertificateChain"]
    assert found == pem(made.chain.certificates[1]).decode()


def test_delivery_sends_a_root_only_as_issuer(harness: Harness) -> None:
    root = authority(EC)
    here = deliver(harness, bundle(above=(root,)))
    assert harness.client.get_certificate(CertificateArn=here.location)["CertificateChain"] == pem(root).decode()
    deliver(harness, bundle())
    assert "CertificateChain" not in harness.client.imports[-1]


def test_delivery_tags_wildcard_and_name(harness: Harness) -> None:
    here = Delivery(**vars(harness.open("*.example.com", name="the web").deliver(bundle(), NO_DELIVERY)))
    assert harness.tags(here.location) == {
        "evercert:stack": harness.owner,
        "evercert:certificate": "_wildcard.example.com",
        "Name": "the web",
    }


def test_renewal_keeps_arn_and_tags(harness: Harness) -> None:
    first = deliver(harness)
    tags = harness.tags(first.location)
    second = deliver(harness, made := bundle(number=1), first)
    assert (second.location, second.version) == (first.location, made.chain.serial_number)
    assert harness.leaf(first.location) == made.chain.leaf
    assert harness.tags(first.location) == tags
    assert len(harness.client.imports) == 2


def test_repeated_delivery_imports_nothing(harness: Harness) -> None:
    here = deliver(harness, made := bundle())
    assert deliver(harness, made, here) == here
    assert len(harness.client.imports) == 1


def test_examine_finds_no_drift_after_delivery(harness: Harness) -> None:
    assert harness.open().examine(deliver(harness)) is None


def test_examine_reports_a_manual_import(harness: Harness) -> None:
    here = deliver(harness)
    other = bundle(number=1)
    harness.import_manually(other, here.location)
    problem = f"ACM certificate {here.location} has serial number {other.chain.serial_number}"
    assert harness.open().examine(here) == Drift(problem)


def test_examine_reports_a_deleted_certificate(harness: Harness) -> None:
    here = deliver(harness)
    harness.client.delete_certificate(CertificateArn=here.location)
    problem = f"ACM certificate {here.location} was deleted"
    assert harness.open().examine(here) == Drift(problem, gone=True)
    assert harness.open(arn=here.location).examine(here) == Drift(problem, gone=False)


def test_delivery_to_a_deleted_certificate_raises_gone(harness: Harness) -> None:
    here = deliver(harness)
    harness.client.delete_certificate(CertificateArn=here.location)
    with pytest.raises(Gone, match=f"ACM certificate {here.location} was deleted"):
        deliver(harness, bundle(number=1), here)
    assert len(harness.client.imports) == 1


def test_delivery_raises_gone_if_deleted_before_import(harness: Harness) -> None:
    here = deliver(harness)

    def delete() -> None:
        with ThreadPoolExecutor(1) as operator:  # not a call of the function
            operator.submit(harness.client.delete_certificate, CertificateArn=here.location).result()

    harness.client.before_import = delete
    with pytest.raises(Gone, match="was deleted"):
        deliver(harness, bundle(number=1), here)


# -- search after an interrupted first delivery -----------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", [EC, RSA])
def test_find_returns_an_import_with_a_lost_response(harness: Harness, algorithm: str) -> None:
    begun = harness.now()
    here = deliver(harness, bundle(algorithm))
    assert harness.open().find(begun) == here.location


def test_find_distinguishes_imports_by_name(harness: Harness) -> None:
    begun = harness.now()
    plain = harness.open().deliver(bundle(), NO_DELIVERY).location
    named = harness.open(name="second").deliver(bundle(), NO_DELIVERY).location
    assert harness.open().find(begun) == plain != named
    assert harness.open(name="second").find(begun) == named


def test_find_ignores_foreign_certificates(harness: Harness) -> None:
    begun = harness.now()
    harness.import_manually(bundle())
    harness.open(stack="other").deliver(bundle(), NO_DELIVERY)
    harness.open("api").deliver(bundle(), NO_DELIVERY)
    assert harness.open().find(begun) is None


def test_find_returns_an_import_of_the_previous_release(harness: Harness) -> None:
    """It wrote the stack's bare name, and may have died before it stored the ARN."""
    begun = harness.now()
    here = deliver(harness)
    old = [{"Key": "evercert:stack", "Value": harness.owner.rpartition("/")[2]}]
    harness.client.add_tags_to_certificate(CertificateArn=here.location, Tags=old)
    assert harness.open().find(begun) == here.location


def test_find_ignores_a_stack_of_the_same_name_elsewhere(harness: Harness) -> None:
    begun = harness.now()
    harness.open(home="us-east-1").deliver(bundle(), NO_DELIVERY)
    assert harness.open().find(begun) is None


# -- adopted certificates ---------------------------------------------------------------------------------------------
def test_adopted_certificate_is_reimported_under_its_arn(harness: Harness) -> None:
    arn = harness.import_manually(bundle())
    ours = [{"Key": "evercert:stack", "Value": harness.owner}, {"Key": "evercert:certificate", "Value": "web"}]
    harness.client.add_tags_to_certificate(CertificateArn=arn, Tags=ours)
    here = deliver(harness, made := bundle(number=1), arn=arn)
    assert (here.location, harness.leaf(arn)) == (arn, made.chain.leaf)
    harness.open(arn=arn).inspect(here)


def test_certificate_without_adoption_is_unchanged(harness: Harness) -> None:
    arn = harness.import_manually(bundle())
    for call in (
        lambda: deliver(harness, bundle(number=1), arn=arn),
        lambda: harness.open(arn=arn).inspect(NO_DELIVERY),
    ):
        with pytest.raises(Misconfigured, match=f"not belong to this stack; .* run: evercert adopt web {arn}$"):
            call()
    assert harness.client.imports == []


def test_arn_of_a_stack_of_the_same_name_is_refused(harness: Harness) -> None:
    arn = harness.open(home="us-east-1").deliver(made := bundle(), NO_DELIVERY).location
    owner = f"the owner in its tag evercert:stack is {ACCOUNT}/us-east-1/{harness.stack}"
    for call in (
        lambda: deliver(harness, bundle(number=1), arn=arn),
        lambda: harness.open(arn=arn).inspect(NO_DELIVERY),
    ):
        with pytest.raises(Misconfigured, match=f"does not belong to this stack: {owner}; to adopt it run"):
            call()
    assert harness.leaf(arn) == made.chain.leaf


def test_arn_with_the_old_tag_is_accepted(harness: Harness) -> None:
    arn = harness.import_manually(bundle())
    old = [{"Key": "evercert:stack", "Value": harness.stack}, {"Key": "evercert:certificate", "Value": "web"}]
    harness.client.add_tags_to_certificate(CertificateArn=arn, Tags=old)
    deliver(harness, made := bundle(number=1), arn=arn)
    assert harness.leaf(arn) == made.chain.leaf


def test_arn_of_another_certificate_is_refused(harness: Harness) -> None:
    arn = harness.open("api").deliver(bundle(), NO_DELIVERY).location
    with pytest.raises(Misconfigured, match="holds certificate api; two certificates cannot share it"):
        deliver(harness, bundle(number=1), arn=arn)
    assert len(harness.client.imports) == 1


def test_deleted_adopted_certificate_is_not_reimported(harness: Harness) -> None:
    arn = harness.import_manually(bundle())
    harness.client.delete_certificate(CertificateArn=arn)
    for call in (lambda: deliver(harness, arn=arn), lambda: harness.open(arn=arn).inspect(NO_DELIVERY)):
        with pytest.raises(Misconfigured, match="does not exist; remove `arn` from the document for a new import"):
            call()
    assert harness.client.imports == []


def test_inspect_raises_gone_for_a_deleted_certificate(harness: Harness) -> None:
    harness.open().inspect(NO_DELIVERY)
    here = deliver(harness)
    harness.open().inspect(here)
    harness.client.delete_certificate(CertificateArn=here.location)
    with pytest.raises(Gone):
        harness.open().inspect(here)


# -- reimport rules, checked before the request -----------------------------------------------------------------------
USUAL = ("digital_signature", "key_agreement")
BROKEN = [
    (bundle(RSA), bundle(EC), "cannot change key type or size on reimport: it holds RSA_2048, the new one is EC_prime256v1"),
    (bundle(EC), bundle("EC_secp384r1"), "it holds EC_prime256v1, the new one is EC_secp384r1"),
    (bundle(EC, "dns:a.example"), bundle(EC, "dns:b.example"), "cannot remove all names on reimport"),
    (bundle(EC, "dns:a.example", "uri:spiffe://a/b"), bundle(EC, "dns:b.example", "uri:spiffe://a/b"), "all names"),
    (bundle(usages=USUAL), bundle(usages=USUAL[:1]), "cannot remove key usage on reimport: key_agreement is missing"),
    (bundle(usages=(*USUAL, "key_cert_sign")), bundle(usages=USUAL), "key_cert_sign is missing"),
    (bundle(usages=None), bundle(), "cannot add key usage on reimport to a certificate without it"),
    (bundle(RSA, usages=("digital_signature", "key_encipherment")), bundle(RSA), "key_encipherment is missing"),
    (bundle(extended=[SERVER, EMAIL]), bundle(), "cannot remove extended key usage on reimport: email_protection"),
    (bundle(extended=[SERVER, FOREIGN]), bundle(), "1.3.6.1.4.1.311.20.2.2 is missing"),
    (bundle(extended=None), bundle(), "cannot add extended key usage on reimport to a certificate without it"),
]  # fmt: skip


@pytest.mark.parametrize(("current", "replacement", "message"), BROKEN, ids=[message[:40] for _, _, message in BROKEN])
def test_delivery_names_the_violated_reimport_rule(
    harness: Harness, current: Bundle, replacement: Bundle, message: str
) -> None:
    arn = harness.import_manually(current)
    with pytest.raises(Rejected, match=message) as raised:
        deliver(harness, replacement, Delivery(location=arn))
    assert "set another `name`" in str(raised.value)
    assert harness.client.imports == []


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            bundle(EC, by=RSA),
            "the key is EC_prime256v1, the issuer signs with RSA; use a private-key.algorithm of family RSA",
        ),
        (
            bundle(RSA, by=EC),
            "the key is RSA_2048, the issuer signs with EC; use a private-key.algorithm of family EC",
        ),
        (bundle(EC, by="Ed25519"), "the issuer signs with Ed25519; use an issuer with EC or RSA"),
        (Bundle(bundle().chain, None), "a certificate from a csr does not have"),
    ],
)
def test_delivery_names_the_violated_import_rule(harness: Harness, made: Bundle, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        deliver(harness, made)
    assert harness.client.imports == []


@pytest.mark.parametrize(
    ("current", "changes", "message"),
    [
        (bundle(), {}, None),
        (bundle(), {"attributes": {"common-name": "www.example.com", "alt-names": ["b.example"]}}, None),
        (bundle(EC, "ip:192.0.2.1", common_name="WWW.example.com"), {}, None),
        (bundle(RSA), {}, "cannot change key type or size"),
        (bundle(EC, "dns:other.example"), {}, "all names"),
        (bundle(usages=USUAL), {}, None),  # the issuer sets the key usages
        (bundle(usages=USUAL), {"key-usages": ["digital_signature"]}, "key_agreement is missing"),
        (bundle(usages=None), {"key-usages": ["digital_signature"]}, "cannot add key usage"),
        (bundle(extended=[SERVER, EMAIL]), {"extended-key-usages": ["server_auth"]}, "email_protection is missing"),
        (bundle(extended=[SERVER, CLIENT]), {"extended-key-usages": ["server_auth"]}, None),
        (bundle(usages=("digital_signature", "key_encipherment")), {"key-usages": ["digital_signature"]}, None),
    ],
)
def test_preflight_names_the_violated_reimport_rule(
    harness: Harness, current: Bundle, changes: dict[str, Any], message: str | None
) -> None:
    attributes = {"common-name": "www.example.com", **changes.get("attributes", {})}
    attributes |= {key: value for key, value in changes.items() if key.endswith("usages")}
    wanted, here = spec(attributes=attributes), Delivery(location=harness.import_manually(current))
    if message is None:
        harness.open().preflight(wanted, here)
    else:
        with pytest.raises(Rejected, match=message):
            harness.open().preflight(wanted, here)
    assert harness.client.imports == []


def test_preflight_accepts_a_deleted_certificate(harness: Harness) -> None:
    here = deliver(harness, bundle(RSA))
    harness.client.delete_certificate(CertificateArn=here.location)
    harness.open().preflight(spec(), here)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"private-key": {"algorithm": "Ed25519"}}, "unsupported key algorithm Ed25519: ACM accepts RSA and EC"),
        ({"attributes": {"common-name": "A person", "alt-names": ["email:a@example.com"]}}, "a DNS name or an IP address"),
        ({"attributes": {"alt-names": [f"host-{n:05d}.service.example.com" for n in range(1_000)]}}, "too many names .1000.: .* ACM accepts 32768"),
    ],
)  # fmt: skip
def test_check_names_the_violated_rule(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        ACM.check(spec(**changes))


def test_check_refuses_a_csr() -> None:
    made = PrivateKey.generate(EC)
    csr = made.sign_csr(spec().attributes)
    with pytest.raises(Rejected, match="a certificate from a csr does not have"):
        ACM.check(spec(csr=csr))


@pytest.mark.parametrize("algorithm", [EC, "EC_secp384r1", "EC_secp521r1", RSA, "RSA_3072", "RSA_4096"])
def test_check_accepts_supported_algorithms(algorithm: str) -> None:
    ACM.check(spec(**{"private-key": {"algorithm": algorithm}}))


def test_settings_define_one_place() -> None:
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/a"
    assert ACM.Settings(arn=arn).place == ACM.Settings(arn=arn).place
    with pytest.raises(ValueError, match="conflict: remove one of them"):
        ACM.Settings(arn=arn, name="other")
    with pytest.raises(ValueError, match="in us-east-1: remove `region`"):
        ACM.Settings(arn=arn, region="eu-west-1")
    assert ACM.Settings(region="us-east-1").place != ACM.Settings(region="eu-west-1").place


# -- rules that only the double enforces ------------------------------------------------------------------------------
def test_find_orders_certificates_by_first_import() -> None:
    harness = strict(page=2)
    arns = [deliver(harness).location for _ in range(3)]
    deliver(harness, bundle(number=1), Delivery(location=arns[0]))
    assert harness.open().find(START) == arns[-1]


def test_find_ignores_imports_before_the_attempt() -> None:
    """The search allows a clock skew of five minutes."""
    harness = strict()
    arn = deliver(harness).location
    made = harness.now()
    assert harness.open().find(made + timedelta(minutes=5)) == arn
    assert harness.open().find(made + timedelta(minutes=5, seconds=1)) is None


def test_find_lists_imports_of_every_key_type() -> None:
    harness = strict(page=2)
    begun = harness.now()
    here = deliver(harness, bundle("EC_secp384r1"))
    for _ in range(5):
        harness.open("api").deliver(bundle(RSA), NO_DELIVERY)
    assert harness.open().find(begun) == here.location
    harness.client.certificates[here.location].type = "AMAZON_ISSUED"
    assert harness.open().find(begun) is None


def test_throttled_import_is_unavailable() -> None:
    harness = Harness(RecordingClient(StrictACM(HandClock())), "stack", HandClock())
    deliver(harness)
    with pytest.raises(Unavailable, match="cannot import into ACM: ThrottlingException"):
        deliver(harness)


def test_exceeded_import_quota_is_misconfigured() -> None:
    harness = strict(yearly=1)
    here = deliver(harness)
    for there in (NO_DELIVERY, here):
        with pytest.raises(QuotaExceeded, match=r"acm .* import quota exceeded; request a higher one"):
            deliver(harness, bundle(number=1), there)


def test_concurrent_change_is_unavailable() -> None:
    harness = strict()

    def conflict() -> None:
        raise refuse("ConflictException", "ImportCertificate", "being updated")

    harness.client.before_import = conflict
    with pytest.raises(Unavailable, match="cannot import into ACM: another client is changing the certificate"):
        deliver(harness)


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048", "RSA_4096"])
def test_self_signed_certificates_follow_acm_rules(algorithm: str) -> None:
    wanted = spec(**{"private-key": {"algorithm": algorithm}})
    harness, here = strict(), NO_DELIVERY
    for revision in (1, 2):
        key = PrivateKey.generate(algorithm)
        request = Request("web", wanted, key.sign_csr(wanted.attributes), revision, "token", START)
        here = deliver(harness, Bundle(SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain, key), here)
    assert len(harness.client.imports) == 2
    assert len(harness.client.certificates) == 1


NAMES = ("dns:a.example", "dns:b.example", "ip:192.0.2.1", "uri:spiffe://a/b", "email:a@a.example")
BITS = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
KEYS = ("RSA_1024", RSA, EC, "EC_secp384r1")
PURPOSES = [SERVER, CLIENT, EMAIL, FOREIGN]


@st.composite
def pairs(draw: st.DrawFn) -> list[tuple[str, x509.Certificate]]:
    """Return two certificates as any CA could issue them for a host, usually with the same key algorithm."""
    kind = draw(st.sampled_from(KEYS))
    return [
        (
            algorithm,
            certificate(
                algorithm,
                draw(st.lists(st.sampled_from(NAMES), unique=True)),
                common_name=draw(st.sampled_from([None, "a.example", "A person"])),
                usages=draw(st.none() | st.sets(st.sampled_from(BITS), min_size=1)),
                extended=draw(st.none() | st.lists(st.sampled_from(PURPOSES), unique=True, min_size=1)),
                by=draw(st.sampled_from([algorithm, algorithm, RSA, EC])),
            ),
        )
        for algorithm in (kind, draw(st.sampled_from([kind, kind, *KEYS])))
    ]


def import_or_none(client: StrictACM, made: tuple[str, x509.Certificate], arn: str | None = None) -> str | None:
    where = {} if arn is None else {"CertificateArn": arn}
    try:
        return client.import_certificate(Certificate=pem(made[1]), PrivateKey=key_pem(made[0]), **where)[
            "CertificateArn"
        ]
    except ClientError:
        return None


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_rules_match_those_of_acm(pair: list[tuple[str, x509.Certificate]]) -> None:
    """The local rules and the double of ACM must accept the same replacements."""
    current, replacement = pair
    client = StrictACM(strict().client.clock)
    arn = import_or_none(client, current)
    assume(arn is not None)
    try:
        acm_rules.require_family(Chain((replacement[1],)))
        acm_rules.require_allowed(current[1], replacement[1])
    except Rejected:
        ours = False
    else:
        ours = True
    assert ours == (import_or_none(client, replacement, arn) is not None)
