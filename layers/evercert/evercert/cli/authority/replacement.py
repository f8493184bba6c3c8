"""Replace an issuing CA by one with a new key; a run that stops at any step is resumed by the next one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import uuid4

from cryptography import x509
from cryptography.x509.oid import NameOID

from evercert.authority.ca.constrained_names import ceiling_conflicts, constraints_of
from evercert.authority.ca.constraints import Constraints
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.profiles import Profile
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli.authority import arguments, ceremony
from evercert.cli.authority.ceremony import CeremonyContext
from evercert.cli.authority.document_plan import newest
from evercert.cli.files import BadInput
from evercert.errors import Rejected
from evercert.pki.algorithms import KeyAlgorithm, family

BATCH = 40  # profiles in one transaction, which may have 100 writes and 4 MB
ROUNDS = 100
# No certificate begins before that of its CA: clocks may differ, and orders may name an earlier begin.
LEAD = timedelta(days=1)


@dataclass(frozen=True)
class ReplaceOptions:
    """The options of `ca replace`; None leaves the choice to the command. `profiles` None: all."""

    name: str | None = None
    algorithm: KeyAlgorithm | None = None
    common_name: str | None = None
    validity: timedelta = timedelta(days=1825)
    constraints: Constraints | None = None
    profiles: Collection[str] | None = None


@dataclass(frozen=True)
class Step:
    """One step that is left: what it does, to which object."""

    verb: str
    kind: str
    name: str


@dataclass(frozen=True)
class Replacement:
    """The CA, its replacement (`stored` or not yet), and the profiles to move; others name the CA too."""

    old: CA
    new: CA
    stored: bool
    subject: x509.Name | None  # None below an external CA, which decides
    profiles: tuple[Profile, ...]
    others: tuple[Profile, ...]

    def steps(self) -> Iterator[Step]:
        """Yield the steps that are left."""
        if not self.stored or not self.new.key:
            yield Step("create", "CA", self.new.name)
        if self.new.status == "pending":
            yield Step("certify", "CA", self.new.name)
        for profile in self.profiles:
            yield Step("move", "profile", profile.key)
        if not self.others and is_open(self.old):
            yield Step("retire", "CA", self.old.name)


def is_open(ca: CA) -> bool:
    """Return whether the move of the CA's profiles has not ended."""
    return ca.status == "active" or ca.retired_at is None


def plan(configuration: ConfigurationWriter, ca: CA, options: ReplaceOptions) -> Replacement:
    """Return what is left to do; raise BadInput."""
    if ca.kind == "root":
        raise BadInput(["cannot replace the root: clients trust its key; run evercert authority ca renew root"])
    if not ca.installed:
        raise BadInput([f"CA {ca.name} has no certificate yet: it signs nothing that has to be replaced"])
    found = newest(ca, configuration.cas())
    if found is not None and found.status == "disabled" and options.name not in (None, found.name):
        found = None
    if found is not None:
        _require_same(ca, found, options)
    new = found or _new_ca(configuration, ca, options)
    every = configuration.profiles()
    named = [profile for profile in every if ca.name in profile.cas]
    # An interrupted run may have moved some of them.
    _require_known(ca, [profile for profile in every if {ca.name, new.name} & {*profile.cas}], options.profiles)
    profiles = tuple(one for one in named if options.profiles is None or one.key in options.profiles)
    others = tuple(one for one in named if one not in profiles)
    subject = None if ca.parent is None else _subject(ca, new.name, options.common_name)
    return Replacement(ca, new, found is not None, subject, profiles, others)


def run(context: CeremonyContext, found: Replacement, options: ReplaceOptions, require_crl: Callable[[CA], None]) -> CA:
    """Carry out the steps that are left; return the new CA, which is pending if an external CA has to certify it.

    `require_crl` publishes the first CRL of the new CA, and raises if there is none.
    """
    old, new = _create(context, found)
    new = _certify(context, found, new, options.validity)
    if new.status == "active" and any(step.verb in ("move", "retire") for step in found.steps()):
        require_crl(new)
        _move(context, old, new, options.profiles)
    return new


def _create(context: CeremonyContext, found: Replacement) -> tuple[CA, CA]:
    """Store the new CA together with the reference to it, and create its key; return both CAs."""
    old, new = found.old, found.new
    if not found.stored:
        # One transaction: an interrupted run never leaves a CA that the next run does not find.
        _require_unchanged(context.configuration, old)
        old = old.model_copy(update={"replaced_by": new.id, "retired_at": None})
        context.configuration.write(new, old)
    return old, ceremony.ensure_key(context, new, outside=new.parent is None)


def _certify(context: CeremonyContext, found: Replacement, new: CA, validity: timedelta) -> CA:
    """Sign the certificate of the new CA with the root; a CA below an external root stays pending."""
    if new.status != "pending" or new.parent is None or found.subject is None:
        return new
    root = context.configuration.ca(new.parent)
    if root is None or not root.installed:
        raise Rejected(f"cannot certify CA {new.name}: its root is missing; restore the table of the configuration")
    return ceremony.renew_issuing(context, new, root, found.subject, validity, lead=LEAD)


def _move(context: CeremonyContext, old: CA, new: CA, wanted: Collection[str] | None) -> CA:
    """Move profiles to the new CA, and retire the old one with the last of them; return the old one.

    Each transaction requires both CAs as they were read. Profiles that a concurrent change gave to the old CA are
    moved in another round.
    """
    configuration = context.configuration
    for _ in range(ROUNDS):
        named = [profile for profile in configuration.profiles() if old.name in profile.cas]
        batch = [profile for profile in named if wanted is None or profile.key in wanted][:BATCH]
        closes = len(batch) == len(named) and is_open(old)
        if not batch and not closes:
            return old
        _require_unchanged(configuration, old)
        _require_unchanged(configuration, new)
        if new.status != "active":
            raise Rejected(f"CA {new.name} is {new.status}: no profile was moved; run the command again")
        closed = _retired(context, old) if closes else old
        configuration.write(new, closed, *(_moved(profile, old.name, new.name) for profile in batch))
        for profile in batch:
            context.report(f"moved profile {profile.key} from CA {old.name} to {new.name}")
        if closes:
            context.report(f"CA {old.name} is {closed.status}: it signs CRLs, and no more certificates")
        old = closed
    raise Rejected(f"cannot retire CA {old.name}: other changes keep moving profiles to it; run the command again")


def _retired(context: CeremonyContext, old: CA) -> CA:
    """Return the CA as it is after the move; a disabled one stays disabled, because it may be compromised."""
    status = "retired" if old.status == "active" else old.status
    return old.model_copy(update={"status": status, "retired_at": context.now})


def _moved(profile: Profile, old: str, new: str) -> Profile:
    return profile.model_copy(update={"cas": tuple(new if name == old else name for name in profile.cas)})


def _require_unchanged(configuration: ConfigurationWriter, ca: CA) -> None:
    """Raise Rejected if another operator changed the CA; the next write requires what is read here."""
    if configuration.ca(ca.id) != ca:
        raise Rejected(f"CA {ca.name} was changed meanwhile by another operator: run the command again")


def _require_same(ca: CA, new: CA, options: ReplaceOptions) -> None:
    """Raise BadInput for options that contradict the replacement that exists already."""
    subject = f"CA {ca.name} is replaced by CA {new.name} already"
    if options.name not in (None, new.name):
        raise BadInput([f"{subject}: omit --name"])
    if new.status == "disabled":
        remedy = f"run evercert authority ca enable {new.name}, or pass --name to create another one"
        raise BadInput([f"{subject}, which is disabled: {remedy}"])
    if options.algorithm not in (None, new.algorithm):
        raise BadInput([f"{subject}, with {new.algorithm}: omit --algorithm"])
    if options.constraints not in (None, new.constraints):
        raise BadInput([f"{subject}, with other name constraints: omit them"])


def _require_known(ca: CA, named: Collection[Profile], wanted: Collection[str] | None) -> None:
    known = [profile.key for profile in named]
    if errors := [f"profile {key} does not name CA {ca.name}" for key in wanted or () if key not in known]:
        raise BadInput(errors)


def _new_ca(configuration: ConfigurationWriter, ca: CA, options: ReplaceOptions) -> CA:
    """Return a CA that is like the old one, with another name and without a key."""
    name = arguments.require_name(options.name or _next_name(configuration, ca.name), "CA")
    if configuration.ca_named(name) is not None or name == ceremony.ROOT:
        raise BadInput([f"CA {name} exists already: choose another --name"])
    algorithm = options.algorithm or ca.algorithm
    if family(algorithm) != family(ca.algorithm):
        raise BadInput(
            [f"--algorithm {algorithm}: CA {ca.name} certifies {family(ca.algorithm)} keys; so must its replacement"]
        )
    kept = {"kind": ca.kind, "parent": ca.parent, "ceiling": ca.ceiling}
    made = CA(id=str(uuid4()), name=name, status="pending", key="", algorithm=algorithm, **kept)
    made = made.model_copy(update={"constraints": options.constraints or ca.constraints})
    if ca.ceiling is not None and (conflicts := ceiling_conflicts(ca.ceiling, constraints_of(made))):
        remedy = f"run evercert authority ceiling {ca.name} first"
        raise BadInput([f"ceiling of CA {ca.name}: {conflict}; {remedy}" for conflict in conflicts])
    return made


def _next_name(configuration: ConfigurationWriter, name: str) -> str:
    """Return the first free name after this one: `issuing-ec-2` follows `issuing-ec`."""
    known = {ca.name for ca in configuration.cas()}
    match = re.fullmatch(r"(.*)-([0-9]{1,4})", name)
    stem, number = (match[1], int(match[2])) if match else (name, 1)
    return next(found for one in count(number + 1) if (found := f"{stem}-{one}") not in known)


def _subject(ca: CA, name: str, common_name: str | None) -> x509.Name:
    """Return the subject of the new CA: another one than the old CA's, whose CRLs carry its name."""
    subject = ca.current.x509.subject
    title, organization = (
        arguments.first_value(subject, oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    )
    prefix = (title or "").removesuffix(arguments.ca_title(ca.name)).strip()
    found = arguments.build_subject(common_name or f"{prefix} {arguments.ca_title(name)}".strip(), organization)
    if found == subject:
        raise BadInput(["--common-name: the old CA has this name; choose another one"])
    return found
