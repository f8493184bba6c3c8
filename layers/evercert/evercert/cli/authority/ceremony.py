"""Making CAs: each step may be the last one of a run, and the next run goes on after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evercert.authority.ca import builder as building
from evercert.authority.ca.builder import Issuer, IssuerURLs, Span
from evercert.authority.ca.definition import CA, Ceiling, Installed
from evercert.authority.ca.kms_key import CAKeys, PublicKey, kms_private_key, public_key_of
from evercert.aws.authority.configuration_writer import AuthorityEstate
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Policy, Roles, of_issuing, of_root
from evercert.cli.authority import arguments as given
from evercert.errors import Rejected
from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.certificate import to_pem

ROOT = "root"
# One of each family, because ACM takes a certificate only under a CA of its own family.
ISSUING: tuple[tuple[str, KeyAlgorithm], ...] = (("issuing-ec", "EC_prime256v1"), ("issuing-rsa", "RSA_3072"))
BACKDATED = timedelta(minutes=5)  # for clocks that are behind
LEAST = timedelta(days=1)  # of a CA's certificate: what is left of a root that ends is of no use


@dataclass(frozen=True)
class Wish:
    """What `init` is asked for. `outside`: no root, and issuing CAs that somebody else certifies."""

    common_name: str
    organization: str | None
    root_validity: timedelta
    issuing_validity: timedelta
    outside: bool = False
    root: KeyAlgorithm = "EC_secp384r1"
    issuing: tuple[tuple[str, KeyAlgorithm], ...] = ISSUING

    def subject(self, name: str) -> x509.Name:
        """Of the CA of this name: `Example Issuing EC`; raises BadInput."""
        return given.subject(f"{self.common_name} {given.ca_title(name)}", self.organization)

    def check(self) -> None:
        """Raises BadInput for what no certificate could say."""
        for name in (ROOT, *dict(self.issuing)):
            self.subject(name)


@dataclass(frozen=True)
class Hands:
    """What a ceremony works with; `say` is told of every step that was done."""

    estate: AuthorityEstate
    making: CAKeyMaking
    keys: CAKeys
    roles: Roles
    address: str
    now: datetime
    say: Callable[[str], None]


def called_as(wish: Wish, root: CA | None, common_name: str | None, organization: str | None) -> Wish:
    """Where nothing is said (None), a CA that is added to others is called as their root is."""
    if root is None or not root.installed:
        return wish
    name = root.current.x509.subject
    title, whose = (given.first_value(name, oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME))
    suffix = f" {given.ca_title(ROOT)}"
    if common_name is None and title is not None and title.endswith(suffix):
        wish = replace(wish, common_name=title.removesuffix(suffix))
    return replace(wish, organization=whose) if organization is None else wish


def establish(hands: Hands, wish: Wish) -> tuple[CA, ...]:
    """Root and issuing CAs, whatever of them is there already; the CAs as they are then."""
    root = None
    if not wish.outside:
        root = certified_root(hands, _keyed(hands, ROOT, wish.root, None, outside=False), wish)
    done = [] if root is None else [root]
    for name, algorithm in wish.issuing:
        ca = _keyed(hands, name, algorithm, root, outside=wish.outside)
        if root is not None and ca.status == "pending":
            ca = renewed_issuing(hands, ca, root, wish.subject(name), wish.issuing_validity)
        done.append(ca)
    return tuple(done)


def certified_root(hands: Hands, ca: CA, wish: Wish) -> CA:
    """The root with a certificate of its own."""
    if ca.status != "pending":
        return ca
    return renewed_root(hands, ca, wish.subject(ca.name), wish.root_validity)


def renewed_root(hands: Hands, ca: CA, name: x509.Name, validity: timedelta) -> CA:
    """The same key under a new certificate of its own."""
    key = kms_private_key(hands.keys, ca.key, public_key(hands, ca))
    made = building.sign_root(key, name, building.serial_number(), _span(hands.now, validity))
    return _install(hands, ca, to_pem([made]), "")


def renewed_issuing(hands: Hands, ca: CA, root: CA, name: x509.Name, validity: timedelta) -> CA:
    """The same key under a new certificate of the root's, which it does not outlive."""
    above = root.current
    span = _span(hands.now, validity)
    begins = max(span.begins, above.x509.not_valid_before_utc)
    span = Span(begins, min(span.ends, above.x509.not_valid_after_utc))
    if span.ends - hands.now < LEAST:
        raise Rejected(f"CA {root.name} ends at {span.ends:%Y-%m-%d %H:%M}Z: renew it first")
    public = above.x509.public_key()
    signing = kms_private_key(hands.keys, root.key, public)  # type: ignore[arg-type]
    issuer = Issuer(above.x509, replace(IssuerURLs.of(hands.address, root.id, above.id), crl=None), signing)
    made = building.sign_issuing_ca(public_key(hands, ca), name, building.serial_number(), span, issuer)
    return _install(hands, ca, to_pem([made]), above.certificate + above.chain)


def installed(hands: Hands, ca: CA, certificate: str, chain: str) -> CA:
    """With a certificate that somebody else signed, and that was checked; the same one again changes nothing."""
    if ca.installed and (ca.current.certificate, ca.current.chain) == (certificate, chain):
        return ca
    return _install(hands, ca, certificate, chain)


def public_key(hands: Hands, ca: CA) -> PublicKey:
    """Of a CA's key; raises Rejected for one that has none, because the run that should have made it died."""
    if not ca.key:
        raise Rejected(f"CA {ca.name} has no key yet: run evercert authority init again")
    return public_key_of(hands.keys, ca.key)


def request(hands: Hands, ca: CA, name: x509.Name) -> str:
    """A CSR in PEM; raises Rejected."""
    key = kms_private_key(hands.keys, ca.key, public_key(hands, ca))
    return building.sign_ca_csr(key, name).public_bytes(Encoding.PEM).decode()


def mended_policies(hands: Hands, cas: tuple[CA, ...]) -> list[CA]:
    """Those whose key has another policy than it should, which roles that were made anew bring about; mends it."""
    wrong = []
    for ca in (ca for ca in cas if ca.key):
        policy = policy_of(hands.roles, ca)
        if not hands.making.has_policy(ca.key, policy):
            hands.making.put_policy(ca.key, policy)
            hands.say(f"the policy of the key of CA {ca.name} names the stack's roles again")
            wrong.append(ca)
    return wrong


def policy_of(roles: Roles, ca: CA) -> Policy:
    """What the policy of its key should be."""
    return of_root(roles) if ca.kind == "root" else of_issuing(roles, outside=ca.parent is None)


def _keyed(hands: Hands, name: str, algorithm: KeyAlgorithm, root: CA | None, *, outside: bool) -> CA:
    """The CA of this name, which has a key at least; it is written down first, so that its key is found by its id."""
    ca = hands.estate.ca_named(name) or _named(hands, name, algorithm, root)
    if ca.key:
        return ca
    policy = of_root(hands.roles) if name == ROOT else of_issuing(hands.roles, outside=outside)
    key = hands.making.found(name, ca.id)
    if key is None:
        key = hands.making.make(name, ca.id, algorithm, policy)
        hands.say(f"made the key of CA {name}: {key}")
    else:
        hands.say(f"found the key of CA {name}, made by a run that did not finish: {key}")
    made = algorithm_of(public_key_of(hands.keys, key))  # one that was found may be of another kind
    ca = ca.model_copy(update={"key": key, "algorithm": made or algorithm})
    hands.estate.write(ca)
    return ca


def _named(hands: Hands, name: str, algorithm: KeyAlgorithm, root: CA | None) -> CA:
    """A new one, without a key."""
    ca = CA(
        id=str(uuid4()),
        name=name,
        kind="root" if name == ROOT else "issuing",
        status="pending",
        key="",
        algorithm=algorithm,
        parent=None if root is None else root.id,
        ceiling=None if name == ROOT else Ceiling(),
    )
    hands.estate.write(ca)
    return ca


def _install(hands: Hands, ca: CA, certificate: str, chain: str) -> CA:
    """Certificates that are over are left out: nothing that they signed can be verified any more."""
    kept = tuple(one for one in ca.installed if one.x509.not_valid_after_utc > hands.now)
    new = Installed(id=str(uuid4()), certificate=certificate, chain=chain)
    status = "active" if ca.status == "pending" else ca.status
    ca = ca.model_copy(update={"installed": (*kept, new), "status": status})
    hands.estate.write(ca)
    hands.say(f"CA {ca.name} has a certificate until {new.x509.not_valid_after_utc:%Y-%m-%d}")
    return ca


def _span(now: datetime, validity: timedelta) -> Span:
    return Span(now - BACKDATED, now + validity)
