"""One suite for the destination: the emulator's ACM and the strict double."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
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
from evercert.errors import Gone, Misconfigured, Rejected, Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.strict_acm import StrictACM
from tests.doubles.strict_aws import refuse
from tests.doubles.world import STACK_ID, World
from tests.samples.certificates import authority, certificate, key_pem, pem, private_key

NOTHING = Delivery()
EC, RSA = "EC_prime256v1", "RSA_2048"
SERVER, CLIENT, EMAIL, FOREIGN = *(f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 4)), "1.3.6.1.4.1.311.20.2.2"


class Counted:
    """A client that counts imports, and can be kept from them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.imports: list[dict[str, Any]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def import_certificate(self, **arguments: Any) -> Any:
        self.imports.append(arguments)
        self.meanwhile()
        return self._client.import_certificate(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@dataclass
class Shelf:
    client: Any
    stack: str
    now: Callable[[], datetime]

    def open(self, certificate: str = "web", stack: str | None = None, **settings: str) -> ACM:
        context = DestinationContext(stack or self.stack, STACK_ID, SimpleNamespace(acm=self.client))
        component = Component.model_validate({"type": "acm", **settings})
        return RegisteredDestinations(context).open(component, certificate)

    def leaf(self, arn: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.client.get_certificate(CertificateArn=arn)["Certificate"].encode())

    def tags(self, arn: str) -> dict[str, str]:
        return {t["Key"]: t["Value"] for t in self.client.list_tags_for_certificate(CertificateArn=arn)["Tags"]}

    def by_hand(self, bundle: Bundle, arn: str | None = None) -> str:
        where = {} if arn is None else {"CertificateArn": arn}
        key = bundle.private_key.pem().encode()
        found = self.client.import_certificate(Certificate=pem(bundle.chain.leaf), PrivateKey=key, **where)
        self.client.imports.clear()
        return found["CertificateArn"]


def strict(**more: Any) -> Shelf:
    clock = HandClock()

    def ticking() -> datetime:
        clock.advance(seconds=1)
        return clock()

    return Shelf(Counted(StrictACM(ticking, **more)), "stack", clock)


@pytest.fixture(params=["strict", "acm"])
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    if request.param == "strict":
        yield strict()
        return
    world: World = request.getfixturevalue("world")
    yield Shelf(Counted(world.operator.acm), f"stack-{uuid.uuid4().hex[:12]}", lambda: datetime.now(UTC))


def bundle(algorithm: str = EC, *names: str, number: int = 0, above: tuple[Any, ...] = (), **more: Any) -> Bundle:
    leaf = certificate(algorithm, names or ("dns:www.example.com",), number=number, **more)
    return Bundle(Chain((leaf, *above)), PrivateKey(private_key(algorithm, number)))


def delivered(shelf: Shelf, made: Bundle | None = None, here: Delivery = NOTHING, **settings: str) -> Delivery:
    return Delivery(revision=1, **vars(shelf.open(**settings).deliver(made or bundle(), here)))


def test_the_first_delivery_imports_the_whole_bundle_with_our_tags(shelf: Shelf) -> None:
    made = bundle(above=(authority(EC, issuer="Root"), authority(EC, common_name="Root", issuer="Root")))
    here = delivered(shelf, made)
    assert here.version == made.chain.serial_number
    assert shelf.leaf(here.location) == made.chain.leaf
    assert shelf.tags(here.location) == {"evercert:stack": shelf.stack, "evercert:certificate": "web"}
    found = shelf.client.get_certificate(CertificateArn=here.location)["CertificateChain"]
    assert found == pem(made.chain.certificates[1]).decode()


def test_a_root_stands_in_the_chain_only_where_it_is_the_issuer(shelf: Shelf) -> None:
    root = authority(EC)
    here = delivered(shelf, bundle(above=(root,)))
    assert shelf.client.get_certificate(CertificateArn=here.location)["CertificateChain"] == pem(root).decode()
    delivered(shelf, bundle())
    assert "CertificateChain" not in shelf.client.imports[-1]


def test_a_wildcard_is_written_out_in_its_tag_and_a_name_is_a_tag_too(shelf: Shelf) -> None:
    here = Delivery(**vars(shelf.open("*.example.com", name="the web").deliver(bundle(), NOTHING)))
    assert shelf.tags(here.location) == {
        "evercert:stack": shelf.stack,
        "evercert:certificate": "_wildcard.example.com",
        "Name": "the web",
    }


def test_a_renewal_is_imported_under_the_same_arn_and_keeps_the_tags(shelf: Shelf) -> None:
    first = delivered(shelf)
    tags = shelf.tags(first.location)
    second = delivered(shelf, made := bundle(number=1), first)
    assert (second.location, second.version) == (first.location, made.chain.serial_number)
    assert shelf.leaf(first.location) == made.chain.leaf
    assert shelf.tags(first.location) == tags
    assert len(shelf.client.imports) == 2


def test_a_repeated_delivery_imports_nothing(shelf: Shelf) -> None:
    here = delivered(shelf, made := bundle())
    assert delivered(shelf, made, here) == here
    assert len(shelf.client.imports) == 1


def test_what_was_delivered_has_not_drifted(shelf: Shelf) -> None:
    assert shelf.open().examine(delivered(shelf)) is None


def test_what_was_imported_by_hand_has_drifted_and_keeps_its_place(shelf: Shelf) -> None:
    here = delivered(shelf)
    other = bundle(number=1)
    shelf.by_hand(other, here.location)
    problem = f"ACM certificate {here.location} has serial number {other.chain.serial_number}"
    assert shelf.open().examine(here) == Drift(problem)


def test_a_deleted_certificate_has_drifted_and_only_an_adopted_one_keeps_its_place(shelf: Shelf) -> None:
    here = delivered(shelf)
    shelf.client.delete_certificate(CertificateArn=here.location)
    problem = f"ACM certificate {here.location} was deleted"
    assert shelf.open().examine(here) == Drift(problem, gone=True)
    assert shelf.open(arn=here.location).examine(here) == Drift(problem, gone=False)


def test_a_delivery_to_a_deleted_certificate_says_that_its_place_is_gone(shelf: Shelf) -> None:
    here = delivered(shelf)
    shelf.client.delete_certificate(CertificateArn=here.location)
    with pytest.raises(Gone, match=f"ACM certificate {here.location} was deleted"):
        delivered(shelf, bundle(number=1), here)
    assert len(shelf.client.imports) == 1


def test_one_that_is_deleted_between_look_and_import_is_gone_too(shelf: Shelf) -> None:
    here = delivered(shelf)
    shelf.client.meanwhile = lambda: shelf.client.delete_certificate(CertificateArn=here.location)
    with pytest.raises(Gone, match="was deleted"):
        delivered(shelf, bundle(number=1), here)


# -- what an interrupted first delivery made --------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", [EC, RSA])
def test_an_import_whose_answer_was_lost_is_found(shelf: Shelf, algorithm: str) -> None:
    begun = shelf.now()
    here = delivered(shelf, bundle(algorithm))
    assert shelf.open().find(begun) == here.location


def test_of_two_imports_each_finds_its_own(shelf: Shelf) -> None:
    begun = shelf.now()
    plain = shelf.open().deliver(bundle(), NOTHING).location
    named = shelf.open(name="second").deliver(bundle(), NOTHING).location
    assert shelf.open().find(begun) == plain != named
    assert shelf.open(name="second").find(begun) == named


def test_what_is_not_ours_is_not_found(shelf: Shelf) -> None:
    begun = shelf.now()
    shelf.by_hand(bundle())
    shelf.open(stack="other").deliver(bundle(), NOTHING)
    shelf.open("api").deliver(bundle(), NOTHING)
    assert shelf.open().find(begun) is None


# -- a certificate that somebody handed over --------------------------------------------------------------------------
def test_an_adopted_certificate_is_imported_again_under_its_arn(shelf: Shelf) -> None:
    arn = shelf.by_hand(bundle())
    ours = [{"Key": "evercert:stack", "Value": shelf.stack}, {"Key": "evercert:certificate", "Value": "web"}]
    shelf.client.add_tags_to_certificate(CertificateArn=arn, Tags=ours)
    here = delivered(shelf, made := bundle(number=1), arn=arn)
    assert (here.location, shelf.leaf(arn)) == (arn, made.chain.leaf)
    shelf.open(arn=arn).inspect(here)


def test_a_certificate_that_nobody_handed_over_is_left_alone(shelf: Shelf) -> None:
    arn = shelf.by_hand(bundle())
    for call in (lambda: delivered(shelf, bundle(number=1), arn=arn), lambda: shelf.open(arn=arn).inspect(NOTHING)):
        with pytest.raises(Misconfigured, match=f"not belong to this stack; .* run: evercert adopt web {arn}$"):
            call()
    assert shelf.client.imports == []


def test_one_that_holds_another_certificate_is_left_alone(shelf: Shelf) -> None:
    arn = shelf.open("api").deliver(bundle(), NOTHING).location
    with pytest.raises(Misconfigured, match="holds certificate api; two cannot share it"):
        delivered(shelf, bundle(number=1), arn=arn)
    assert len(shelf.client.imports) == 1


def test_an_adopted_certificate_that_was_deleted_is_not_imported_anew(shelf: Shelf) -> None:
    arn = shelf.by_hand(bundle())
    shelf.client.delete_certificate(CertificateArn=arn)
    for call in (lambda: delivered(shelf, arn=arn), lambda: shelf.open(arn=arn).inspect(NOTHING)):
        with pytest.raises(Misconfigured, match="does not exist; remove `arn` from the document for a new import"):
            call()
    assert shelf.client.imports == []


def test_an_operator_who_asks_hears_whether_it_is_there(shelf: Shelf) -> None:
    shelf.open().inspect(NOTHING)
    here = delivered(shelf)
    shelf.open().inspect(here)
    shelf.client.delete_certificate(CertificateArn=here.location)
    with pytest.raises(Gone):
        shelf.open().inspect(here)


# -- the rules of importing again, before anything is sent ------------------------------------------------------------
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


@pytest.mark.parametrize(("held", "fresh", "says"), BROKEN, ids=[says[:40] for _, _, says in BROKEN])
def test_what_may_not_replace_it_is_refused_with_the_rule(shelf: Shelf, held: Bundle, fresh: Bundle, says: str) -> None:
    arn = shelf.by_hand(held)
    with pytest.raises(Rejected, match=says) as raised:
        delivered(shelf, fresh, Delivery(location=arn))
    assert "or set another `name`" in str(raised.value)
    assert shelf.client.imports == []


@pytest.mark.parametrize(
    ("made", "says"),
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
def test_what_acm_never_takes_is_refused_with_the_rule(shelf: Shelf, made: Bundle, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        delivered(shelf, made)
    assert shelf.client.imports == []


@pytest.mark.parametrize(
    ("held", "changes", "says"),
    [
        (bundle(), {}, None),
        (bundle(), {"attributes": {"common-name": "www.example.com", "alt-names": ["b.example"]}}, None),
        (bundle(EC, "ip:192.0.2.1", common_name="WWW.example.com"), {}, None),
        (bundle(RSA), {}, "cannot change key type or size"),
        (bundle(EC, "dns:other.example"), {}, "all names"),
        (bundle(usages=USUAL), {}, None),  # the issuer decides
        (bundle(usages=USUAL), {"key-usages": ["digital_signature"]}, "key_agreement is missing"),
        (bundle(usages=None), {"key-usages": ["digital_signature"]}, "cannot add key usage"),
        (bundle(extended=[SERVER, EMAIL]), {"extended-key-usages": ["server_auth"]}, "email_protection is missing"),
        (bundle(extended=[SERVER, CLIENT]), {"extended-key-usages": ["server_auth"]}, None),
        (bundle(usages=("digital_signature", "key_encipherment")), {"key-usages": ["digital_signature"]}, None),
    ],
)
def test_a_spec_is_held_against_what_is_there_before_anything_is_issued(
    shelf: Shelf, held: Bundle, changes: dict[str, Any], says: str | None
) -> None:
    attributes = {"common-name": "www.example.com", **changes.get("attributes", {})}
    attributes |= {key: value for key, value in changes.items() if key.endswith("usages")}
    wanted, here = spec(attributes=attributes), Delivery(location=shelf.by_hand(held))
    if says is None:
        shelf.open().preflight(wanted, here)
    else:
        with pytest.raises(Rejected, match=says):
            shelf.open().preflight(wanted, here)
    assert shelf.client.imports == []


def test_nothing_stands_in_the_way_of_a_first_import_or_where_it_was_deleted(shelf: Shelf) -> None:
    here = delivered(shelf, bundle(RSA))
    shelf.client.delete_certificate(CertificateArn=here.location)
    shelf.open().preflight(spec(), here)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"private-key": {"algorithm": "Ed25519"}}, "unsupported key algorithm Ed25519: ACM accepts RSA and EC"),
        ({"attributes": {"common-name": "A person", "alt-names": ["email:a@example.com"]}}, "a DNS name or an IP address"),
        ({"attributes": {"alt-names": [f"host-{n:05d}.service.example.com" for n in range(1_000)]}}, "too many names .1000.: .* ACM accepts 32768"),
    ],
)  # fmt: skip
def test_validate_names_the_rule(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Rejected, match=says):
        ACM.check(spec(**changes))


def test_validate_refuses_a_csr() -> None:
    made = PrivateKey.generate(EC)
    csr = made.sign_csr(spec().attributes)
    with pytest.raises(Rejected, match="a certificate from a csr does not have"):
        ACM.check(spec(csr=csr))


@pytest.mark.parametrize("algorithm", [EC, "EC_secp384r1", "EC_secp521r1", RSA, "RSA_3072", "RSA_4096"])
def test_validate_lets_pass_what_acm_takes(algorithm: str) -> None:
    ACM.check(spec(**{"private-key": {"algorithm": algorithm}}))


def test_two_certificates_share_an_arn_and_nothing_else() -> None:
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/a"
    assert ACM.Settings(arn=arn).place == ACM.Settings(arn=arn).place
    with pytest.raises(ValueError, match="conflict: remove one of them"):
        ACM.Settings(arn=arn, name="other")
    with pytest.raises(ValueError, match="in us-east-1: remove `region`"):
        ACM.Settings(arn=arn, region="eu-west-1")
    assert ACM.Settings(region="us-east-1").place != ACM.Settings(region="eu-west-1").place


# -- rules that only the double enforces ------------------------------------------------------------------------------
def test_the_newest_of_several_is_found_by_its_first_import() -> None:
    shelf = strict(page=2)
    arns = [delivered(shelf).location for _ in range(3)]
    delivered(shelf, bundle(number=1), Delivery(location=arns[0]))
    assert shelf.open().find(START) == arns[-1]


def test_what_is_older_than_the_try_is_not_found() -> None:
    """Clocks may be five minutes apart."""
    shelf = strict()
    arn = delivered(shelf).location
    made = shelf.now()
    assert shelf.open().find(made + timedelta(minutes=5)) == arn
    assert shelf.open().find(made + timedelta(minutes=5, seconds=1)) is None


def test_keys_of_every_kind_are_found_on_any_page_but_nothing_that_amazon_issued() -> None:
    shelf = strict(page=2)
    begun = shelf.now()
    here = delivered(shelf, bundle("EC_secp384r1"))
    for _ in range(5):
        shelf.open("api").deliver(bundle(RSA), NOTHING)
    assert shelf.open().find(begun) == here.location
    shelf.client.certificates[here.location].type = "AMAZON_ISSUED"
    assert shelf.open().find(begun) is None


def test_too_many_imports_in_a_second_are_to_be_repeated() -> None:
    shelf = Shelf(Counted(StrictACM(HandClock())), "stack", HandClock())
    delivered(shelf)
    with pytest.raises(Unavailable, match="cannot import into ACM: ThrottlingException"):
        delivered(shelf)


def test_a_quota_that_is_used_up_takes_a_person() -> None:
    shelf = strict(yearly=1)
    here = delivered(shelf)
    for there in (NOTHING, here):
        with pytest.raises(Misconfigured, match=r"acm .* import quota exceeded; request a higher one"):
            delivered(shelf, bundle(number=1), there)


def test_somebody_who_changes_it_at_the_same_moment_is_waited_for() -> None:
    shelf = strict()

    def conflict() -> None:
        raise refuse("ConflictException", "ImportCertificate", "being updated")

    shelf.client.meanwhile = conflict
    with pytest.raises(Unavailable, match="cannot import into ACM: another client is changing the certificate"):
        delivered(shelf)


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048", "RSA_4096"])
def test_what_evercert_issues_itself_keeps_every_rule_of_acm(algorithm: str) -> None:
    wanted = spec(**{"private-key": {"algorithm": algorithm}})
    shelf, here = strict(), NOTHING
    for revision in (1, 2):
        key = PrivateKey.generate(algorithm)
        request = Request("web", wanted, key.sign_csr(wanted.attributes), revision, "token", START)
        here = delivered(shelf, Bundle(SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain, key), here)
    assert len(shelf.client.imports) == 2
    assert len(shelf.client.certificates) == 1


NAMES = ("dns:a.example", "dns:b.example", "ip:192.0.2.1", "uri:spiffe://a/b", "email:a@a.example")
BITS = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
KEYS = ("RSA_1024", RSA, EC, "EC_secp384r1")
PURPOSES = [SERVER, CLIENT, EMAIL, FOREIGN]


@st.composite
def pairs(draw: st.DrawFn) -> list[tuple[str, x509.Certificate]]:
    """What any CA could have issued for a host, twice; most often with the same kind of key."""
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


def taken(client: StrictACM, made: tuple[str, x509.Certificate], arn: str | None = None) -> str | None:
    where = {} if arn is None else {"CertificateArn": arn}
    try:
        return client.import_certificate(Certificate=pem(made[1]), PrivateKey=key_pem(made[0]), **where)[
            "CertificateArn"
        ]
    except ClientError:
        return None


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_our_rules_and_those_of_acm_are_the_same(pair: list[tuple[str, x509.Certificate]]) -> None:
    """What ours let pass ACM takes, and what ACM refuses ours refuse before it is sent."""
    held, fresh = pair
    client = StrictACM(strict().client.clock)
    arn = taken(client, held)
    assume(arn is not None)
    try:
        acm_rules.require_family(Chain((fresh[1],)))
        acm_rules.require_allowed(held[1], fresh[1])
    except Rejected:
        ours = False
    else:
        ours = True
    assert ours == (taken(client, fresh, arn) is not None)
