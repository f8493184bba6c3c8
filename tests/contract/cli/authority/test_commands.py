"""`evercert authority` on the emulator's tables and keys: what it writes, and each mistake in one line."""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from evercert.authority.ca.signing_orders import Intent
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import AuthorityEstate
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.signing_ledger import DynamoDBLedger
from evercert.aws.clients import Clients
from evercert.cli import terminal
from evercert.cli.app import run
from evercert.cli.connection import Connection
from evercert.pki.keys import public_bytes
from evercert.pki.usages import key_usage
from tests.doubles.fakes import START
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World
from tests.samples.authority import kept, requested
from tests.samples.certificates import private_key
from tests.tools.local_stack import ACCOUNT, ROOT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
Said = tuple[int, str, str]
Command = Callable[..., Said]


@pytest.fixture
def outputs(world: World) -> dict[str, str]:
    return {
        "AuthorityConfiguration": world.authority_table("AuthorityConfigurationTable"),
        "AuthorityTable": world.authority_table("AuthorityTable"),
        "AuthorityLedger": world.authority_table("AuthorityLedgerTable"),
        "AuthorityAddress": "https://ca.example.com",
        "AuthorityFunction": "front",
        **{f"{name}Role": f"{ROLE}{name.lower()}" for name in ("Signer", "Authority", "Checker", "Issuer")},
    }


class FrontFunction:
    """Lambda, with the one function that is invoked: what it was told, and what it does then."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.does: Callable[[], None] | None = None  # None: there is none

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "front"
        self.told.append(json.loads(Payload))
        if self.does is None:
            raise refuse("ResourceNotFoundException", "Invoke")
        self.does()
        return {"StatusCode": 200}


@pytest.fixture
def function() -> FrontFunction:
    made = FrontFunction()
    made.does = lambda: None
    return made


@pytest.fixture
def command(
    world: World,
    outputs: dict[str, str],
    function: FrontFunction,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """`evercert authority …`; its exit code, and what it says on both streams."""
    stack = f"stack-{uuid.uuid4().hex[:8]}"
    before = {key["KeyArn"] for key in world.operator.kms.list_keys(Limit=1000)["Keys"]}
    every = CAKeyMaking._arns
    clients = Clients(session=world.operator.session)
    clients.lambda_ = function  # type: ignore[assignment]
    monkeypatch.setattr(CAKeyMaking, "_arns", lambda self: (arn for arn in every(self) if arn not in before))

    def connect(name: str, region: str | None) -> Connection:
        assert region is None
        none: Any = SimpleNamespace()
        return Connection(name, "id", "UPDATE_COMPLETE", clients, outputs, {}, none, none)

    monkeypatch.setattr(terminal, "connect", connect)

    def called(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["evercert", "authority", *arguments, "--stack", stack])
        with pytest.raises(SystemExit) as ended:
            run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return called


@pytest.fixture
def estate(world: World, outputs: dict[str, str]) -> AuthorityEstate:
    return AuthorityEstate(world.operator.dynamodb, outputs["AuthorityConfiguration"])


def fine(said: Said) -> Any:
    """The JSON that it said, when all went well."""
    code, out, err = said
    assert (code, err) == (0, ""), said
    return json.loads(out)


def fine_with_notes(said: Said) -> Any:
    code, out, err = said
    assert code == 0, said
    assert all(line.startswith("note: ") for line in err.splitlines()), said
    return json.loads(out)


def refused(said: Said, *lines: str) -> None:
    """One line for each mistake, and nothing else."""
    code, out, err = said
    assert (code, out) == (2, ""), said
    found = err.strip().splitlines()
    assert len(found) == len(lines), said
    for line, part in zip(found, lines, strict=True):
        assert line.startswith("evercert: "), line
        assert part in line


# -- CAs --------------------------------------------------------------------------------------------------------------
def test_a_stack_without_an_authority_says_how_to_get_one(command: Command, outputs: dict[str, str]) -> None:
    del outputs["AuthorityConfiguration"]
    code, out, err = command("ca", "list")
    assert (code, out) == (1, "")
    assert "has no authority: deploy it with the parameter Authority=yes" in err


def test_init_asks_first_and_then_makes_what_is_not_there(command: Command, estate: AuthorityEstate) -> None:
    refused(command("init"), "nobody is there to confirm it; add --yes")
    assert estate.cas() == ()
    made = fine(command("init", "--organization", "Example Corp", "--common-name", "Example", "--yes", "--json"))
    assert [ca["name"] for ca in made] == ["root", "issuing-ec", "issuing-rsa"]
    assert [ca["certificates"][0]["subject"] for ca in made] == [
        "CN=Example Root,O=Example Corp", "CN=Example Issuing EC,O=Example Corp", "CN=Example Issuing RSA,O=Example Corp",
    ]  # fmt: skip
    assert fine(command("init", "--json")) == made  # nothing to ask for


def test_an_issuing_key_is_replaced_by_another_beside_it(
    command: Command, cas: list[Any], estate: AuthorityEstate
) -> None:
    made = fine(command("init", "--issuing", "issuing-ec-2=EC_secp384r1", "--yes", "--json"))
    assert [(ca["name"], ca["algorithm"], ca["status"]) for ca in made] == [
        ("root", "EC_secp384r1", "active"), ("issuing-ec-2", "EC_secp384r1", "active"),
    ]  # fmt: skip
    assert len(estate.cas()) == 4
    refused(command("init", "--issuing", "issuing-ec=RSA_2048", "--yes"), "CA issuing-ec is EC_prime256v1 already")
    assert len(fine(command("init", "--issuing", "issuing-ec=EC_prime256v1", "--yes", "--json"))) == 2
    for wrong, said in (("x=RSA_1024", "one of EC_prime256v1"), ("x", "write NAME="), ("root=RSA_2048", "is taken")):
        refused(command("init", "--issuing", wrong, "--yes"), said)


def test_a_ca_that_is_added_is_called_as_the_root_is(command: Command) -> None:
    fine(command("init", "--common-name", "Example", "--organization", "Example Corp", "--yes", "--json"))
    _, added = fine(command("init", "--issuing", "issuing-ec-2=EC_prime256v1", "--yes", "--json"))
    assert added["certificates"][0]["subject"] == "CN=Example Issuing EC 2,O=Example Corp"
    _, other = fine(command("init", "--issuing", "third=RSA_2048", "--common-name", "Other", "--yes", "--json"))
    assert other["certificates"][0]["subject"] == "CN=Other Third,O=Example Corp"


def test_names_that_come_too_late_are_told(command: Command, cas: list[Any]) -> None:
    assert cas[0]["certificates"][0]["subject"] == "CN=Example Root"
    assert command("init", "--common-name", "Example")[1:] == (command("init")[1], "")
    code, out, err = command("init", "--common-name", "Example", "--organization", "Example Corp")
    assert (code, out.splitlines()[0]) == (0, "made already: root, issuing-ec, issuing-rsa")
    assert err.startswith("note: called as before, because names count for new CAs alone: root (CN=Example Root); ")


def test_init_has_the_first_lists_made_and_none_after_that(
    command: Command, function: FrontFunction, estate: AuthorityEstate, certificates: DynamoDBCertificates
) -> None:
    fine(command("init", "--yes", "--json"))
    fine(command("init", "--json"))  # there are none yet: the function did nothing
    assert function.told == [{"task": "crl"}] * 2
    for ca in estate.cas():
        certificates.publish(ca.id, certificates.next_crl_number(ca.id), crl())
    fine(command("init", "--json"))
    assert len(function.told) == 2
    fine(command("init", "--issuing", "issuing-ec-2=EC_prime256v1", "--yes", "--json"))
    assert len(function.told) == 3


def test_what_keeps_the_first_lists_from_being_made_is_told_and_init_is_done(
    command: Command, function: FrontFunction
) -> None:
    function.does = None
    code, out, err = command("init", "--yes", "--json")
    assert (code, len(json.loads(out))) == (0, 3)
    assert err.startswith("note: ")
    assert "the schedule does it within a day" in err


def test_init_is_done_for_an_operator_who_may_not_read_what_the_front_keeps(
    command: Command, function: FrontFunction, outputs: dict[str, str]
) -> None:
    outputs["AuthorityTable"] = "closed-to-operators"
    code, out, err = command("init", "--yes", "--json")
    assert (code, len(json.loads(out)), function.told) == (0, 3, [])
    assert "note: whether every CA has a revocation list is unknown: " in err


def test_the_policies_of_all_cas_are_mended(command: Command, world: World, estate: AuthorityEstate) -> None:
    fine(command("init", "--issuing", "issuing-ec-2=EC_prime256v1", "--yes", "--json"))
    (key,) = [ca.key for ca in estate.cas() if ca.name == "issuing-ec-2"]
    before = world.operator.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    world.operator.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=before.replace("role/signer", "role/x"))
    fine(command("init", "--yes", "--json"))  # of the usual CAs, and yet
    after = world.operator.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    assert json.loads(after) == json.loads(before)


def test_who_interrupts_init_is_told_how_it_goes_on(command: Command, function: FrontFunction) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    function.does = interrupted
    code, out, err = command("init", "--yes", "--json")
    assert (code, out) == (130, "")
    assert err == "note: interrupted; the same command again goes on where this one stopped\n"


def test_what_is_not_there_yet_is_told_with_what_makes_it(command: Command, tmp_path: Path) -> None:
    for words, mend in (
        (("ca", "list"), "evercert authority init"), (("status",), "evercert authority init"),
        (("profiles",), "evercert authority apply"), (("identity", "list"), "evercert authority identity create"),
    ):  # fmt: skip
        code, _, err = command(*words)
        assert code == 0
        assert mend in err
        assert command(*words, "--json")[2] == ""
    both = [f"there is no issuing CA 'issuing-{one}' yet: evercert authority init makes them" for one in ("ec", "rsa")]
    refused(command("apply", str(EXAMPLE)), *both)


def test_what_no_certificate_can_say_is_refused_before_a_key_is_made(command: Command, estate: AuthorityEstate) -> None:
    refused(command("init", "--common-name", "x" * 60, "--yes"), "--common-name: ")
    refused(command("init", "--common-name", "", "--yes"), "--common-name: ")  # such as a variable that is not set
    refused(command("init", "--organization", "a\x00b", "--yes"), "--organization: ")
    refused(command("init", "--root-validity", "20 years", "--yes"), "--root-validity: ")
    assert estate.cas() == ()


@pytest.fixture
def cas(command: Command) -> list[dict[str, Any]]:
    return list(fine(command("init", "--common-name", "Example", "--yes", "--json")))


def test_the_root_is_shown_as_others_have_to_trust_it(command: Command, cas: list[dict[str, Any]]) -> None:
    code, out, _ = command("ca", "show", "root", "--pem")
    (root,) = x509.load_pem_x509_certificates(out.encode())
    assert code == 0
    assert root.fingerprint(hashes.SHA256()).hex() == cas[0]["certificates"][0]["sha256"]
    _, out, _ = command("ca", "show", "issuing-ec", "--pem")
    assert x509.load_pem_x509_certificates(out.encode())[1] == root


def test_a_ca_is_disabled_and_enabled_once(command: Command, cas: list[Any], estate: AuthorityEstate) -> None:
    assert fine(command("ca", "disable", "issuing-ec", "--json"))["changed"]
    assert not fine(command("ca", "disable", "issuing-ec", "--json"))["changed"]
    assert estate.ca_named("issuing-ec").status == "disabled"
    assert fine(command("ca", "enable", "issuing-ec", "--json"))["changed"]
    assert estate.ca_named("issuing-ec").status == "active"
    refused(command("ca", "disable", "root"), "no function signs with the root")


def test_a_disabled_ca_stays_disabled_when_it_is_renewed(
    command: Command, cas: list[Any], estate: AuthorityEstate
) -> None:
    command("ca", "disable", "issuing-ec")
    renewed = fine(command("ca", "renew", "issuing-ec", "--json"))
    assert (renewed["status"], len(renewed["certificates"])) == ("disabled", 2)


def test_names_that_there_are_not_are_told_with_those_there_are(command: Command, cas: list[Any]) -> None:
    refused(command("ca", "show", "issuing-rs"), "there is no CA 'issuing-rs'; did you mean 'issuing-rsa'?")
    refused(command("ca", "show", "x"), "there is no CA 'x'; there are issuing-ec, issuing-rsa, root")
    refused(command("ca", "show", "a/b"), "is no name of a CA")


def test_a_root_is_renewed_only_when_somebody_says_so(command: Command, cas: list[dict[str, Any]]) -> None:
    refused(command("ca", "renew", "root"), "nobody is there to confirm it")
    again = fine(command("ca", "renew", "root", "--yes", "--json"))
    assert len(again["certificates"]) == 2
    assert fine(command("ca", "renew", "issuing-rsa", "--json"))["certificates"][1]["issuer"] == "CN=Example Root"


def test_cas_of_the_own_root_have_no_csr(command: Command, cas: list[Any]) -> None:
    refused(command("ca", "csr", "issuing-ec"), "is certified by this authority's own root")
    refused(command("init", "--no-root", "--yes"), "has a root already")


# -- a CA outside -----------------------------------------------------------------------------------------------------
class Outside:
    """A CA that somebody else has."""

    def __init__(self) -> None:
        self.key = private_key("EC_secp384r1", 7_000)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.name = x509.Name.from_rfc4514_string("CN=Outside Root")
        self.root = self.signed(self.name, self.key.public_key(), None)

    def signed(self, name: x509.Name, key: Any, length: int | None, **changes: Any) -> x509.Certificate:
        begins, lasts = changes.get("begins", self.now - timedelta(hours=1)), changes.get("lasts", timedelta(days=365))
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(changes.get("issuer", self.name)).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(begins + lasts)
            .add_extension(x509.BasicConstraints(ca=changes.get("ca", True), path_length=length), critical=True)
        )  # fmt: skip
        if changes.get("identifier", True):
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        if changes.get("usage"):
            builder = builder.add_extension(key_usage(changes["usage"]), critical=True)
        return builder.sign(changes.get("signer", self.key), hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


@pytest.fixture
def asked(command: Command) -> x509.CertificateSigningRequest:
    """What `ca csr` says of a CA that was made without a root."""
    code, out, err = command("init", "--no-root", "--common-name", "Example", "--yes")
    assert (code, err) == (0, "note: names are not kept: give --common-name and --organization to ca csr\n")
    assert "CA issuing-ec waits for its certificate: evercert authority ca csr issuing-ec" in out
    code, out, _ = command("ca", "csr", "issuing-ec")
    assert code == 0
    return x509.load_pem_x509_csr(out.encode())


def test_a_ca_outside_certifies_an_issuing_key(
    command: Command, asked: x509.CertificateSigningRequest, tmp_path: Path, estate: AuthorityEstate
) -> None:
    outside, file = Outside(), tmp_path / "ca.pem"
    file.write_text(pem(outside.signed(asked.subject, asked.public_key(), 0), outside.root))
    refused(command("ca", "enable", "issuing-ec"), "has no certificate yet")
    refused(command("ca", "show", "issuing-ec", "--pem"), "has no certificate yet")
    done = fine(command("ca", "import", "issuing-ec", str(file), "--json"))
    assert (done["status"], done["certificates"][0]["issuer"]) == ("active", "CN=Outside Root")
    assert fine(command("ca", "import", "issuing-ec", str(file), "--json")) == done
    assert command("ca", "import", "issuing-ec", str(file))[1] == "CA issuing-ec has this certificate already\n"
    assert estate.ca_named("issuing-ec").current.chain == pem(outside.root)
    refused(command("ca", "renew", "issuing-ec"), "was certified outside")


def test_a_chain_may_be_longer_if_each_above_lets_it(
    command: Command, asked: x509.CertificateSigningRequest, tmp_path: Path
) -> None:
    outside, file, key = Outside(), tmp_path / "ca.pem", private_key("EC_secp384r1", 7_002)
    name = x509.Name.from_rfc4514_string("CN=Between")
    mine = outside.signed(asked.subject, asked.public_key(), 0, issuer=name, signer=key)
    for between, root, too_short in ((0, 2, "CN=Between"), (1, 1, "CN=Outside Root"), (1, 2, None)):
        above = outside.signed(name, key.public_key(), between)
        file.write_text(pem(mine, above, outside.signed(outside.name, outside.key.public_key(), root)))
        said = command("ca", "import", "issuing-ec", str(file), "--json")
        if too_short is None:
            assert fine(said)["status"] == "active"
        else:
            refused(said, f"{too_short} is none of a CA, or lets")


def test_cas_for_somebody_outside_do_not_come_under_an_own_root(
    command: Command, asked: x509.CertificateSigningRequest, estate: AuthorityEstate
) -> None:
    refused(command("init", "--yes"), "issuing-ec, issuing-rsa of stack")
    assert [ca.name for ca in estate.cas()] == ["issuing-ec", "issuing-rsa"]
    assert {ca.status for ca in estate.cas()} == {"pending"}
    assert command("init", "--no-root", "--yes")[0] == 0


def test_a_certificate_that_nothing_could_be_signed_with_is_refused_whole(
    command: Command, asked: x509.CertificateSigningRequest, tmp_path: Path, estate: AuthorityEstate
) -> None:
    outside, file = Outside(), tmp_path / "ca.pem"
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    past = {"begins": outside.now - timedelta(days=9), "lasts": timedelta(days=8)}
    mine, theirs = outside.signed(asked.subject, asked.public_key(), 0), outside.key.public_key()
    cases = [
        ([outside.signed(asked.subject, other, 0), outside.root], "another key than the CA's"),
        ([outside.signed(asked.subject, asked.public_key(), None, ca=False), outside.root], "none of a CA"),
        ([outside.signed(asked.subject, asked.public_key(), 0, **past), outside.root], "not now"),
        ([outside.signed(asked.subject, asked.public_key(), 0, identifier=False), outside.root], "key identifier"),
        ([outside.signed(asked.subject, asked.public_key(), 0)], "does not end with a root"),
        (
            [outside.signed(asked.subject, asked.public_key(), 0, usage=("digital_signature",)), outside.root],
            "key usage",
        ),
        ([outside.signed(x509.Name([]), asked.public_key(), 0), outside.root], "has no subject"),
        ([mine, outside.signed(outside.name, theirs, None, **past)], "CN=Outside Root has expired"),
        ([mine, outside.signed(outside.name, theirs, 0)], "lets fewer CAs stand below it"),
        ([mine, outside.signed(outside.name, theirs, None, ca=False)], "CN=Outside Root is none of a CA"),
    ]
    for chain, said in cases:
        file.write_text(pem(*chain))
        refused(command("ca", "import", "issuing-ec", str(file)), said)
    forged = outside.signed(asked.subject, asked.public_key(), 0, signer=private_key("EC_prime256v1", 7_001))
    file.write_text(pem(forged, outside.root))
    refused(
        command("ca", "import", "issuing-ec", str(file)), "CN=Outside Root has not signed the certificate before it"
    )
    request = asked.public_bytes(serialization.Encoding.PEM).decode()
    for text, said in (
        ("", "has no certificates in PEM"), (request, "in PEM; it is a request, which the CA outside has to sign"),
        ("-----BEGIN CERTIFICATE-----\n", "has a certificate that cannot be read: "),
        ("-----BEGIN PRIVATE KEY-----", "holds a private key"),
    ):  # fmt: skip
        file.write_text(text)
        refused(command("ca", "import", "issuing-ec", str(file)), said)
    refused(command("ca", "import", "issuing-ec", str(tmp_path / "none.pem")), "cannot be read")
    assert estate.ca_named("issuing-ec").status == "pending"


# -- ceilings ---------------------------------------------------------------------------------------------------------
def test_an_option_replaces_what_was_there_and_the_rest_stays(
    command: Command, cas: list[Any], estate: AuthorityEstate
) -> None:
    before = fine(command("ceiling", "issuing-ec", "--json"))
    refused(command("ceiling", "issuing-ec", "--dns", "example.com", "--json"), "add --yes")
    given = ("--dns", "example.com", "--dns", "*.example.com", "--uri", "none", "--longest", "90d")
    after = fine(command("ceiling", "issuing-ec", *given, "--usage", "client-auth", "--yes", "--json"))
    assert after == {
        **before, "dns": ["example.com", "*.example.com"], "uri": [], "longest": "90d", "key-usages": [],
        "extended-key-usages": ["client_auth"], "changed": True,
    }  # fmt: skip
    assert estate.ca_named("issuing-ec").ceiling.longest == timedelta(days=90)
    assert not fine(command("ceiling", "issuing-ec", "--longest", "90d", "--json"))["changed"]
    assert not before["any-purpose"]
    assert fine(command("ceiling", "issuing-ec", "--any-purpose", "--yes", "--json"))["any-purpose"]
    assert estate.ca_named("issuing-ec").ceiling.any_purpose


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        *[("--dns", name, "a name, *.name or *") for name in ("*example.com", "a.*.com", "", "**", "exa mple.com")],
        ("--dns", "Example.com", "is it example.com?"),
        ("--dns", "*.bücher.example", "is it *.xn--bcher-kva.example?"),
        ("--email", "a@example.com", "a name, *.name or *"),
        ("--ip", "10.0.0.1/8", "has host bits set"),
        ("--ip", "10.0.0.0/33", "does not appear to be"),
        ("--uri", "", "the beginning of a URI with its scheme"),  # it would be that of every URI
        ("--uri", "spiffe", "the beginning of a URI with its scheme"),
        ("--key", "RSA_1024", "one of EC_prime256v1"),
        ("--key", "Ed25519", "one of EC_prime256v1"),
        ("--usage", "key_cert_sign", "one of digital_signature"),
        ("--longest", "forever", "is not a duration"),
        ("--longest", "0s", "out of range"),
    ],
)
def test_a_ceiling_that_says_nothing_sensible_is_refused(
    command: Command, cas: list[Any], option: str, value: str, said: str
) -> None:
    found = command("ceiling", "issuing-ec", option, value, "--yes")
    refused(found, said)
    assert found[2].startswith(f"evercert: {option}")


def test_all_that_is_wrong_with_a_ceiling_is_told(command: Command, cas: list[Any], estate: AuthorityEstate) -> None:
    given = ("--dns", "example.com", "--dns", "none", "--dns", "a b", "--uri", "x", "--key", "DSA", "--yes")
    refused(command("ceiling", "issuing-ec", *given), "--dns 'none'", "--dns 'a b'", "--uri 'x'", "--key 'DSA'")
    assert estate.ca_named("issuing-ec").ceiling.dns == ("*",)
    refused(command("ceiling", "root"), "is a root")


def test_a_ceiling_under_which_a_ca_signs_nothing_is_told(command: Command, cas: list[Any]) -> None:
    code, _, err = command("ceiling", "issuing-ec", "--key", "RSA_2048", "--yes")
    assert (code, err) == (0, "note: CA issuing-ec certifies EC keys alone, so that it would sign nothing\n")
    assert command("ceiling", "issuing-rsa", "--key", "RSA_2048", "--yes")[2] == ""


def test_none_among_others_empties_nothing(command: Command, cas: list[Any]) -> None:
    given = ("--dns", "none", "--dns", "example.com", "--yes")
    refused(command("ceiling", "issuing-ec", *given), "--dns 'none': none leaves nothing, so give nothing with it")


# -- documents --------------------------------------------------------------------------------------------------------
EXAMPLE = ROOT / "examples" / "authority.yaml"


def test_the_example_is_applied_once(command: Command, cas: list[Any], estate: AuthorityEstate) -> None:
    code, out, _ = command("apply", str(EXAMPLE), "--dry-run")
    assert (code, estate.profiles()) == (0, ())
    assert "+ profile my-project/tls-server" in out
    assert "nothing was written (--dry-run)" in out
    done = fine(command("apply", str(EXAMPLE), "--json"))
    assert [(step["verb"], step["what"]) for step in done["steps"]] == [
        ("create", "project"), ("create", "profile"), ("create", "application"),
    ]  # fmt: skip
    assert [profile.key for profile in estate.profiles()] == ["my-project/tls-server"]
    assert estate.applications()[0].profiles == ("tls-server",)
    again = fine(command("apply", str(EXAMPLE), "--json"))
    assert {step["verb"] for step in again["steps"]} == {"unchanged"}
    assert fine(command("show", "my-project/tls-server", "--json")) == fine(command("profiles", "--json"))[0]
    refused(command("show", "other"), "there is no profile 'other'; evercert authority profiles shows")
    refused(command("show", "my-project/tls-sever"), "did you mean 'my-project/tls-server'?")
    refused(command("show", "tls-server"), "there is no profile 'tls-server'; write my-project/tls-server")


def test_a_change_is_shown_and_what_a_document_leaves_out_stays(
    command: Command, cas: list[Any], estate: AuthorityEstate, tmp_path: Path
) -> None:
    command("apply", str(EXAMPLE))
    document = yaml.safe_load(EXAMPLE.read_text())
    document["profiles"][0]["cas"] = ["issuing-ec"]
    del document["applications"]
    file = tmp_path / "authority.yaml"
    file.write_text(yaml.safe_dump(document))
    code, out, _ = command("apply", str(file))
    assert code == 0
    assert "~ profile my-project/tls-server\n    cas: issuing-ec, issuing-rsa → issuing-ec\n" in out
    assert len(estate.applications()) == 1


def test_what_changes_in_a_policy_is_shown_and_nothing_else(command: Command, cas: list[Any], tmp_path: Path) -> None:
    command("apply", str(EXAMPLE))
    document = yaml.safe_load(EXAMPLE.read_text())
    policy = document["policies"]["web-servers"]
    policy["sans"][0]["allowed"] = ["*"]
    policy["subject"][0]["denied"] = ["admin.example.com"]
    policy["validity"] = {"max": "30d"}
    document["profiles"][0]["defaults"] = {"ttl-days": 7}
    file = tmp_path / "authority.yaml"
    file.write_text(yaml.safe_dump(document))
    code, out, _ = command("apply", str(file), "--dry-run")
    assert code == 0
    assert "    policy.sans[dns_name].allowed: *.example.com, example.com → *\n" in out
    assert "    policy.subject[common_name].denied: (none) → admin.example.com\n" in out
    assert "    policy.validity.max: 397d → 30d\n" in out
    assert "    defaults.ttlDays: 90 → 7\n" in out
    assert "extended-key-usages" not in out


def test_mistakes_of_all_files_are_told_and_nothing_is_written(
    command: Command, cas: list[Any], estate: AuthorityEstate, tmp_path: Path
) -> None:
    one, two, three = tmp_path / "one.yaml", tmp_path / "two.yaml", tmp_path / "three.yaml"
    one.write_text(EXAMPLE.read_text().replace("issuing-rsa", "issuing-dsa"))
    two.write_text(EXAMPLE.read_text())
    three.write_text(EXAMPLE.read_text().replace("[tls-server]", "[tls-sever]"))
    refused(
        command("apply", str(one), str(two)),
        "one.yaml:20: there is no issuing CA 'issuing-dsa'",
    )
    refused(command("apply", str(three)), "there is no profile 'tls-sever'")
    three.write_text(EXAMPLE.read_text())
    refused(
        command("apply", str(two), str(three)),
        "three.yaml: profile my-project/tls-server is in", "three.yaml: application my-app is in",
    )  # fmt: skip
    refused(command("apply", str(tmp_path / "none.yaml")), "cannot be read")
    assert estate.profiles() == ()


def test_two_cas_for_one_family_of_keys_are_told(
    command: Command, cas: list[Any], estate: AuthorityEstate, tmp_path: Path
) -> None:
    command("init", "--issuing", "issuing-ec-2=EC_secp384r1", "--yes")
    file = tmp_path / "authority.yaml"
    file.write_text(EXAMPLE.read_text().replace("issuing-rsa", "issuing-ec-2"))
    refused(command("apply", str(file)), "my-project/tls-server: issuing-ec, issuing-ec-2 all certify EC keys")
    assert estate.profiles() == ()


def test_a_document_of_another_kind_is_told_where_it_belongs(command: Command) -> None:
    refused(command("apply", str(ROOT / "examples" / "web.yaml")), "web.yaml:2: no document of the authority")
    refused(command("apply", str(ROOT / "examples" / "agent.yaml")), "no document of the authority")


# -- identities -------------------------------------------------------------------------------------------------------
@pytest.fixture
def profile(command: Command, cas: list[Any]) -> str:
    assert command("apply", str(EXAMPLE))[0] == 0
    return "my-project/tls-server"


def test_a_role_becomes_an_identity(command: Command, profile: str, estate: AuthorityEstate) -> None:
    made = fine(command("identity", "create", "web", "--aws-role", f"{ROLE}web", "--profile", profile, "--json"))
    found = estate.identity_named("web")
    assert (made["id"], found.aws.principals, found.universal) == (found.id, (f"{ROLE}web",), None)
    assert not found.aws.foreign_clients
    assert found.may("request", profile)
    assert not found.may("read-key", profile)
    refused(command("identity", "create", "web", "--universal"), "there is an identity 'web' already")


def test_a_client_secret_is_shown_once_and_kept_by_its_hash(command: Command, estate: AuthorityEstate) -> None:
    made = fine(
        command("identity", "create", "ci", "--universal", "--secret-ttl", "90d", "--secret-uses", "5", "--json")
    )
    (secret,) = estate.identity_named("ci").universal.secrets
    assert secret.digest == hashlib.sha256(made["client_secret"].encode()).hexdigest()
    assert secret.expires_at - secret.created_at == timedelta(days=90)
    assert made["client_id"] == estate.identity_named("ci").universal.client_id
    again = fine(command("identity", "secret", "ci", "--json"))
    assert len(estate.identity_named("ci").universal.secrets) == 2
    for said in (command("identity", "show", "ci"), command("identity", "show", "ci", "--json")):
        assert made["client_secret"] not in said[1] + said[2]
        assert secret.digest not in said[1] + said[2]
    fine(command("identity", "secret", "ci", "--revoke", secret.id, "--json"))
    (left,) = estate.identity_named("ci").universal.secrets
    assert left.digest == hashlib.sha256(again["client_secret"].encode()).hexdigest()
    refused(command("identity", "secret", "ci", "--revoke", secret.id), "has no client secret")


def test_when_a_client_id_is_locked_is_said_as_it_is_made(command: Command, estate: AuthorityEstate) -> None:
    said = ("--lockout-failures", "5", "--lockout", "1h", "--lockout-window", "10m")
    for name, options, expected in (
        ("usual", (), (3, timedelta(minutes=5), timedelta(seconds=30))),
        ("strict", said, (5, timedelta(hours=1), timedelta(minutes=10))),
        ("never", ("--lockout-failures", "0"), (0, timedelta(minutes=5), timedelta(seconds=30))),
    ):
        assert command("identity", "create", name, "--universal", *options)[0] == 0
        made = estate.identity_named(name).universal
        assert (made.failures, made.duration, made.window) == expected


def test_there_is_an_end_to_client_secrets(command: Command) -> None:
    command("identity", "create", "ci", "--universal")
    for _ in range(9):
        assert command("identity", "secret", "ci")[0] == 0
    refused(command("identity", "secret", "ci"), "has 10 client secrets: take one away with --revoke first")


def test_what_an_identity_may_do_is_said_for_each_profile(
    command: Command, profile: str, estate: AuthorityEstate
) -> None:
    command("identity", "create", "web", "--aws-role", f"{ROLE}web")
    command("identity", "grant", "web", "--profile", profile, "--permission", "read-key", "--permission", "request")
    command("identity", "grant", "web", "--profile", "*", "--permission", "administer")
    assert [(one.profile, one.permissions) for one in estate.identity_named("web").grants] == [
        (profile, ("request", "read-key")), ("*", ("administer",)),
    ]  # fmt: skip
    command("identity", "grant", "web", "--profile", "*", "--revoke")
    assert [one.profile for one in estate.identity_named("web").grants] == [profile]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "how does it log in?"),
        (["--aws-role", "role/web"], "--aws-role role/web: write arn:aws:iam::ACCOUNT:role/NAME"),
        (["--aws-role", "*"], "--aws-role *: write"),
        (["--aws-role", f"{ROLE}team/*"], "names no path when a role logs in, so that nobody is meant; name each role"),
        (["--aws-role", f"{ROLE}*/web"], "names no path"),
        (["--universal", "--foreign-clients"], "--foreign-clients is about logins by AWS"),
        (["--aws-role", f"{ROLE}web", "--secret-uses", "3"], "are about client secrets"),
        (["--universal", "--token-ttl", "2d"], "--token-ttl 2d is longer than --token-max-ttl 1d"),
        (["--universal", "--token-ttl", "0s"], "--token-ttl: "),
        (["--universal", "--lockout", "1s"], "--lockout: from 30s to 1d"),
        (["--universal", "--lockout", "soon"], "--lockout: "),
        (["--universal", "--lockout-window", "2h"], "--lockout-window: from 5s to 1h"),
        (["--universal", "--permission", "request"], "with which profiles?"),
        (["--universal", "--profile", "*", "--permission", "sign"], "--permission sign: one of request, read-key"),
        (
            ["--universal", "--profile", "my-project/none"],
            "there is no profile 'my-project/none'; evercert authority profiles",
        ),
        (["--universal", "--profile", "../x"], "--profile ../x: write project/slug"),
    ],
)
def test_an_identity_that_makes_no_sense_is_refused(
    command: Command, estate: AuthorityEstate, arguments: list[str], said: str
) -> None:
    refused(command("identity", "create", "web", *arguments), said)
    assert estate.identities() == ()


def test_a_deleted_identity_is_gone(command: Command, estate: AuthorityEstate) -> None:
    command("identity", "create", "web", "--universal")
    refused(command("identity", "delete", "web"), "add --yes")
    assert fine(command("identity", "delete", "web", "--yes", "--json")) == {"deleted": "web"}
    assert estate.identities() == ()
    refused(
        command("identity", "show", "web"), "there is no identity 'web'; evercert authority identity create makes one"
    )


# -- what was signed --------------------------------------------------------------------------------------------------
@pytest.fixture
def certificates(world: World, outputs: dict[str, str]) -> DynamoDBCertificates:
    return DynamoDBCertificates(world.operator.dynamodb, outputs["AuthorityTable"])


def crl(*serials: int) -> bytes:
    """A list of these, by some CA."""
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(x509.Name.from_rfc4514_string("CN=Somebody"))
        .last_update(now).next_update(now + timedelta(days=7)).add_extension(x509.CRLNumber(1), critical=False)
    )  # fmt: skip
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(private_key("EC_prime256v1", 7_002), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def ledger_of(world: World, outputs: dict[str, str], order: str, der: bytes | None, at: datetime = START) -> None:
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])
    serial = int(hashlib.sha256(order.encode()).hexdigest()[:30], 16)
    intent = Intent(order, "ca-1", serial, "digest", at, {"leaf": '{"names":["dns:hidden.example.com"]}'})
    assert ledger.intend(intent) == intent
    if der is not None:
        ledger.conclude(intent, der)


def test_what_the_front_does_not_tell_of_is_found(
    command: Command, world: World, outputs: dict[str, str], certificates: DynamoDBCertificates
) -> None:
    honest, lost = requested(), requested()
    for request in (honest, lost):
        certificates.open(request, None)
    issued = certificates.finish(honest, kept(honest))
    der = x509.load_pem_x509_certificate(issued.certificate.encode()).public_bytes(serialization.Encoding.DER)
    ledger_of(world, outputs, honest.id, der)
    ledger_of(world, outputs, lost.id, b"signed, and the front died", datetime.now(UTC))
    ledger_of(world, outputs, "crl:ca-1:7", b"a list")
    ledger_of(world, outputs, str(uuid.uuid4()), None)
    assert fine(command("audit", "--json")) == {"signed": 2, "begun": 1, "unknown": []}
    hidden, other, kept_open = str(uuid.uuid4()), requested(), requested()
    certificates.open(kept_open, None)
    certificates.open(other, None)
    certificates.finish(other, kept(other))
    ledger_of(world, outputs, kept_open.id, b"signed long ago, and said to be under way")
    ledger_of(world, outputs, hidden, b"another certificate")
    ledger_of(world, outputs, other.id, b"not the one that the front shows")
    code, out, _ = command("audit", "--json")
    assert code == 1
    assert {one["order"] for one in json.loads(out)["unknown"]} == {hidden, other.id, kept_open.id}
    code, _, err = command("audit")
    assert code == 1
    assert err.count("no such certificate is known to the front") == 3
    assert "hidden.example.com" in err


def test_a_certificate_is_revoked_once_and_listed_later_if_nobody_can_now(
    command: Command, certificates: DynamoDBCertificates, function: FrontFunction
) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request))
    refused(command("revoke", issued.id), "add --yes")
    refused(command("revoke", issued.id, "--reason", "boredom"), "--reason boredom: one of unspecified, key-compromise")
    refused(command("revoke", "none", "--yes"), "unknown certificate 'none'")
    function.does = None
    code, out, err = command("revoke", issued.id, "--reason", "key-compromise", "--yes", "--json")
    assert (code, json.loads(out)["listed"]) == (0, False)
    assert "the schedule does it within a day" in err
    assert certificates.certificate(issued.id).reason == "KEY_COMPROMISE"
    refused(command("revoke", issued.id, "--yes"), "was revoked at")


def test_that_a_key_was_compromised_may_be_said_late(command: Command, certificates: DynamoDBCertificates) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request))
    public_key = public_bytes(x509.load_pem_x509_certificate(issued.certificate.encode()).public_key())
    fine_with_notes(command("revoke", issued.id, "--reason", "superseded", "--yes", "--json"))
    refused(command("revoke", issued.id, "--yes"), "already")
    refused(command("revoke", issued.id, "--reason", "key-compromise"), "add --yes")
    assert not certificates.compromised(public_key)
    code, out, err = command("revoke", issued.id, "--reason", "key-compromise", "--yes")
    assert (code, err) == (0, "")  # it is done, however often it is said
    assert out.endswith(" already; its key is certified no more from now on\n")
    assert fine(command("revoke", issued.id, "--reason", "key-compromise", "--yes", "--json"))["key_ended"] is True
    assert certificates.compromised(public_key)
    assert certificates.certificate(issued.id).reason == "SUPERSEDED"


def test_listed_is_what_the_list_that_stands_says(
    command: Command, certificates: DynamoDBCertificates, function: FrontFunction
) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request))

    def publish(*serials: int) -> None:
        der = crl(*serials)
        certificates.publish(request.ca, certificates.next_crl_number(request.ca), der)

    function.does = publish  # the index was behind
    code, out, err = command("revoke", issued.id, "--yes", "--json")
    assert (code, json.loads(out)["listed"]) == (0, False)
    assert "does not name it yet" in err
    again = requested()
    certificates.open(again, None)
    issued = certificates.finish(again, kept(again))
    function.does = lambda: publish(int(issued.serial_number, 16))
    assert fine(command("revoke", issued.id, "--yes", "--json"))["listed"]


def test_what_the_front_hides_is_revoked_by_its_serial_number(
    command: Command, world: World, outputs: dict[str, str], cas: list[Any], certificates: DynamoDBCertificates
) -> None:
    ca = next(one["id"] for one in cas if one["name"] == "issuing-ec")
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])

    def signed(order: str) -> x509.Certificate:
        made = x509.load_pem_x509_certificate(kept(requested()).certificate.encode())
        says = {"profile": "p", "leaf": requested().leaf.model_dump_json(by_alias=True)}
        intent = Intent(order, ca, made.serial_number, "digest", START, says)
        ledger.intend(intent)
        ledger.conclude(intent, made.public_bytes(serialization.Encoding.DER))
        return made

    hidden, other, failed = str(uuid.uuid4()), requested(ca=ca), requested(ca=ca)
    for request in (other, failed):
        certificates.open(request, None)
    certificates.finish(other, kept(other))
    certificates.fail(failed, "CA is not active")
    for order in (hidden, other.id, failed.id):
        made = signed(order)
        code, out, _ = command("audit", "--json")
        assert (code, {one["order"] for one in json.loads(out)["unknown"]}) == (1, {order})
        serial = f"{made.serial_number:x}"
        done = fine_with_notes(command("revoke", serial, "--yes", "--json"))
        again = certificates.certificate(done["revoked"])
        assert (again.ca, int(again.serial_number, 16)) == (ca, made.serial_number)
        assert again.revoked_at is not None
        assert made.serial_number in {one.serial_number for one in certificates.revoked(ca, START - timedelta(days=9))}
        pairs = ":".join(serial.upper().zfill(40)[place : place + 2] for place in range(0, 40, 2))
        refused(command("revoke", pairs, "--yes"), "was revoked at")
    assert fine(command("audit", "--json"))["unknown"] == []  # all of it is revoked
    refused(command("revoke", "abcdef", "--yes"), "its SHA-256 or its serial number")


def test_a_renewal_that_failed_is_revoked_and_not_the_one_that_took_its_place(
    command: Command, world: World, outputs: dict[str, str], cas: list[Any], certificates: DynamoDBCertificates
) -> None:
    ca = next(one["id"] for one in cas if one["name"] == "issuing-ec")
    old = requested(ca=ca)
    certificates.open(old, None)
    first = certificates.finish(old, kept(old))
    failed, taken = requested(ca=ca, renews=first.id), requested(ca=ca, renews=first.id)
    certificates.open(failed, None)
    certificates.fail(failed, "CA is not active")
    certificates.open(taken, None)
    second = certificates.finish(taken, kept(taken))
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])
    made = x509.load_pem_x509_certificate(kept(requested()).certificate.encode())
    says = {"profile": "p", "leaf": requested().leaf.model_dump_json(by_alias=True)}
    intent = Intent(failed.id, ca, made.serial_number, "digest", START, says)
    ledger.intend(intent)
    ledger.conclude(intent, made.public_bytes(serialization.Encoding.DER))
    done = fine_with_notes(command("revoke", f"{made.serial_number:x}", "--yes", "--json"))
    assert int(done["serial_number"], 16) == made.serial_number
    assert certificates.certificate(second.id).revoked_at is None
    assert certificates.certificate(first.id).renewed_by == second.id


@pytest.mark.parametrize("text", ["nope", "0x1f", "12 34", "abc_def", "٣"])
def test_revoke_refuses_text_that_is_no_serial_number(command: Command, cas: list[Any], text: str) -> None:
    message = f"unknown certificate {text!r}: give its id, its SHA-256 or its serial number (hexadecimal)"
    refused(command("revoke", text, "--yes"), message)


def test_a_serial_number_that_was_never_signed_with_is_nothing_to_revoke(
    command: Command, world: World, outputs: dict[str, str], cas: list[Any]
) -> None:
    ledger = DynamoDBLedger(world.operator.dynamodb, outputs["AuthorityLedger"])
    ledger.intend(Intent("order", cas[1]["id"], 0xABCDEF, "digest", START, {}))
    refused(command("revoke", "abcdef", "--yes"), "was begun and never handed out")


def test_how_it_stands(command: Command, cas: list[dict[str, Any]]) -> None:
    found = fine(command("status", "--json"))
    assert found["address"] == "https://ca.example.com"
    assert {row["name"]: (row["ends"], row["crl"]) for row in found["cas"]} == {
        ca["name"]: (ca["certificates"][0]["not_after"], None) for ca in cas
    }
    code, out, _ = command("status")
    assert code == 0
    assert "issuing-rsa" in out
