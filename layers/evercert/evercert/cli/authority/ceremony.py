"""Create and renew CAs; a run that stops at any step is resumed by the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evercert.authority.ca import builder
from evercert.authority.ca.builder import CALimits, Issuer, IssuerURLs, Span
from evercert.authority.ca.constrained_names import narrowed
from evercert.authority.ca.constraints import Constraints
from evercert.authority.ca.definition import CA, Ceiling, Installed
from evercert.authority.ca.kms_key import CAKeys, PublicKey, kms_private_key, public_key_of
from evercert.authority.contracts.management import ChangedMeanwhile
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Policy, Roles, earlier_issuing, earlier_root, of_issuing, of_root
from evercert.cli.authority import arguments
from evercert.errors import Rejected
from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.certificate import to_pem

ROOT = "root"
# One per key family: ACM accepts a certificate only from a CA of the same family.
ISSUING: tuple[tuple[str, KeyAlgorithm], ...] = (("issuing-ec", "EC_prime256v1"), ("issuing-rsa", "RSA_3072"))
BACKDATED = timedelta(minutes=5)  # for verifiers with slow clocks
LEAST = timedelta(days=1)  # shortest useful CA certificate, if the root expires soon


@dataclass(frozen=True)
class InitOptions:
    """The options of `init`. `outside`: create no root; an external CA certifies the issuing CAs."""

    common_name: str
    organization: str | None
    root_validity: timedelta
    issuing_validity: timedelta
    outside: bool = False
    root: KeyAlgorithm = "EC_secp384r1"
    issuing: tuple[tuple[str, KeyAlgorithm], ...] = ISSUING
    constraints: Constraints | None = None  # of the issuing CAs
    constrain_root: bool = False  # write them into the root, too
    path_length: int | None = None  # of the root

    def limits(self, name: str) -> CALimits:
        """Return the limits of the CA with this name."""
        if name != ROOT:
            return CALimits(None, self.constraints)
        return CALimits(self.path_length, self.constraints if self.constrain_root else None)

    def subject(self, name: str) -> x509.Name:
        """Return the subject of the CA with this name, such as `Example Issuing EC`; raise BadInput if invalid."""
        return arguments.build_subject(f"{self.common_name} {arguments.ca_title(name)}", self.organization)

    def check(self) -> None:
        """Raise BadInput if a CA would get an invalid subject."""
        for name in (ROOT, *dict(self.issuing)):
            self.subject(name)


@dataclass(frozen=True)
class CeremonyContext:
    """The services that a ceremony uses; `report` receives one line per completed step."""

    configuration: ConfigurationWriter
    key_creation: CAKeyMaking
    keys: CAKeys
    roles: Roles
    published_address: str  # of CRLs and CA certificates
    now: datetime
    report: Callable[[str], None]


def with_root_names(
    options: InitOptions, root: CA | None, common_name: str | None, organization: str | None
) -> InitOptions:
    """Return the options with missing names (None) taken from the root's subject."""
    if root is None or not root.installed:
        return options
    name = root.current.x509.subject
    title, root_organization = (
        arguments.first_value(name, oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    )
    suffix = f" {arguments.ca_title(ROOT)}"
    if common_name is None and title is not None and title.endswith(suffix):
        options = replace(options, common_name=title.removesuffix(suffix))
    return replace(options, organization=root_organization) if organization is None else options


def establish(context: CeremonyContext, options: InitOptions) -> tuple[CA, ...]:
    """Create the missing CAs, keys and certificates, and return all CAs; idempotent."""
    root = None
    if not options.outside:
        root = _stored(context, ROOT, options.root, None, options.limits(ROOT))
        root = certify_root(context, ensure_key(context, root, outside=False), options)
    done = [] if root is None else [root]
    for name, algorithm in options.issuing:
        ca = _stored(context, name, algorithm, root, options.limits(name))
        ca = ensure_key(context, ca, outside=options.outside)
        if root is not None and ca.status == "pending":
            ca = renew_issuing(context, ca, root, options.subject(name), options.issuing_validity)
        done.append(ca)
    return tuple(done)


def certify_root(context: CeremonyContext, ca: CA, options: InitOptions) -> CA:
    """Return the root, with a self-signed certificate."""
    if ca.status != "pending":
        return ca
    return renew_root(context, ca, options.subject(ca.name), options.root_validity)


def renew_root(context: CeremonyContext, ca: CA, name: x509.Name, validity: timedelta) -> CA:
    """Sign a new certificate for the root's existing key."""
    key = kms_private_key(context.keys, ca.key, public_key(context, ca))
    limits = CALimits(ca.path_length, ca.constraints)
    certificate = builder.sign_root(key, name, builder.serial_number(), _span(context.now, validity), limits)
    return _install(context, ca, to_pem([certificate]), "")


def renew_issuing(
    context: CeremonyContext, ca: CA, root: CA, name: x509.Name, validity: timedelta, *, lead: timedelta = BACKDATED
) -> CA:
    """Sign a new certificate for the CA's existing key; it begins `lead` ago, and ends no later than the root.

    Raise Rejected if the root expires in less than a day.
    """
    above = root.current
    begins = max(context.now - lead, above.x509.not_valid_before_utc)
    span = Span(begins, min(context.now + validity, above.x509.not_valid_after_utc))
    if span.ends - context.now < LEAST:
        raise Rejected(f"CA {root.name} expires at {span.ends:%Y-%m-%d %H:%M}Z: renew it first")
    signing = kms_private_key(context.keys, root.key, above.x509.public_key())  # type: ignore[arg-type]
    issuer = Issuer(above.x509, IssuerURLs.of(context.published_address, root.id, above.id), signing)
    own_key, serial = public_key(context, ca), builder.serial_number()
    certificate = builder.sign_issuing_ca(own_key, name, serial, span, issuer, constraints=ca.constraints)
    return _install(context, ca, to_pem([certificate]), above.certificate + above.chain)


def install_external(context: CeremonyContext, ca: CA, certificate: str, chain: str) -> CA:
    """Install a validated certificate from an external CA; idempotent."""
    if ca.installed and (ca.current.certificate, ca.current.chain) == (certificate, chain):
        return ca
    return _install(context, ca, certificate, chain)


def public_key(context: CeremonyContext, ca: CA) -> PublicKey:
    """Return the CA's public key; raise Rejected if an interrupted run left the CA without a key."""
    if not ca.key:
        raise Rejected(f"CA {ca.name} has no key yet: run evercert authority init again")
    return public_key_of(context.keys, ca.key)


def build_csr(context: CeremonyContext, ca: CA, name: x509.Name) -> str:
    """Return a CSR for the CA in PEM; raise Rejected if the CA has no key."""
    key = kms_private_key(context.keys, ca.key, public_key(context, ca))
    return builder.sign_ca_csr(key, name, ca.constraints).public_bytes(Encoding.PEM).decode()


def restore_key_policies(context: CeremonyContext, cas: tuple[CA, ...]) -> list[CA]:
    """Rewrite key policies that differ from the expected one, and return their CAs.

    Policies differ after roles of the stack were recreated, and if an earlier release wrote them.
    """
    restored = []
    for ca in (ca for ca in cas if ca.key):
        policy = policy_of(context.roles, ca)
        if not context.key_creation.has_policy(ca.key, policy):
            is_earlier = has_earlier_policy(context.key_creation, context.roles, ca)
            context.key_creation.put_policy(ca.key, policy)
            context.report(f"{'updated' if is_earlier else 'restored'} the key policy of CA {ca.name}")
            restored.append(ca)
    return restored


def policy_of(roles: Roles, ca: CA) -> Policy:
    """Return the expected policy of the CA's key."""
    return of_root(roles) if ca.kind == "root" else of_issuing(roles, outside=ca.parent is None)


def has_earlier_policy(keys: CAKeyMaking, roles: Roles, ca: CA) -> bool:
    """Return whether the CA's key has the policy that an earlier release wrote for these roles."""
    outside = ca.parent is None
    return keys.has_policy(
        ca.key, earlier_root(roles) if ca.kind == "root" else earlier_issuing(roles, outside=outside)
    )


def ensure_key(context: CeremonyContext, ca: CA, *, outside: bool) -> CA:
    """Return the CA with a key.

    The CA is stored before its key is created, so that the next run finds the key by the CA's id.
    """
    if ca.key:
        return ca
    name, policy = ca.name, of_root(context.roles) if ca.kind == "root" else of_issuing(context.roles, outside=outside)
    key = context.key_creation.found(name, ca.id)
    if key is None:
        key = context.key_creation.make(name, ca.id, ca.algorithm, policy)
        context.report(f"created the key of CA {name}: {key}")
    else:
        context.report(f"found the key of CA {name}, created by an interrupted run: {key}")
    actual = algorithm_of(public_key_of(context.keys, key))  # a key that was found may use another algorithm
    ca = ca.model_copy(update={"key": key, "algorithm": actual or ca.algorithm})
    try:
        context.configuration.write(ca)
    except ChangedMeanwhile as error:  # another operator created the CA's key, too
        raise Rejected(f"{error}. If CA {name} has another key than {key}, schedule the deletion of this one") from None
    return ca


def _stored(context: CeremonyContext, name: str, algorithm: KeyAlgorithm, root: CA | None, limits: CALimits) -> CA:
    """Return the CA with this name, or store a new one without a key."""
    if (found := context.configuration.ca_named(name)) is not None:
        return found if found.key else found.model_copy(update={"algorithm": algorithm})
    subtrees = None if limits.constraints is None else limits.constraints.subtrees()
    ca = CA(
        id=str(uuid4()),
        name=name,
        kind="root" if name == ROOT else "issuing",
        status="pending",
        key="",
        algorithm=algorithm,
        parent=None if root is None else root.id,
        ceiling=None if name == ROOT else narrowed(Ceiling(), subtrees),
        **{"path-length": limits.path_length, "constraints": limits.constraints},
    )
    context.configuration.write(ca)
    return ca


def _install(context: CeremonyContext, ca: CA, certificate: str, chain: str) -> CA:
    """Add a certificate and drop expired ones: certificates that they signed have expired, too."""
    unexpired = tuple(one for one in ca.installed if one.x509.not_valid_after_utc > context.now)
    new = Installed(id=str(uuid4()), certificate=certificate, chain=chain)
    status = "active" if ca.status == "pending" else ca.status
    ca = ca.model_copy(update={"installed": (*unexpired, new), "status": status})
    context.configuration.write(ca)
    context.report(f"installed the certificate of CA {ca.name}, valid until {new.x509.not_valid_after_utc:%Y-%m-%d}")
    return ca


def _span(now: datetime, validity: timedelta) -> Span:
    return Span(now - BACKDATED, now + validity)
