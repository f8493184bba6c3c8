"""Logins of agent documents: sources of credentials, and the secrets that store them."""

import json
from datetime import date

import pytest

from evercert.cli.infisical_agent.host import Host
from tests.samples.agent_documents import (
    CLIENT_ID,
    IDENTITY,
    REFERENCE,
    SECRET,
    accepted,
    document,
    host,
    notes,
    refused,
)

KEY = {"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com", "private_key_id": "0f", "x": 1}
KEY["private_key"] = "-----BEGIN"
WITH_KEY = {"service-account-key": "/gcp.json"}


def login(kind, config, where=None, **sections):
    """Return the issuer's `auth` and the stored credential."""
    found = accepted(document(auth={"type": kind, "config": config}, **sections), where)
    (issuer,) = found.document.issuers.values()
    stored = found.credential and (found.credential.name, dict(found.credential.value))
    return issuer.settings["auth"], stored


def reported(kind, config, where=None):
    return [(path[-1], message) for path, message in refused(document(auth={"type": kind, "config": config}), where)]


def absent(kind, config, where=None):
    return [p.message for p in accepted(document(auth={"type": kind, "config": config}), where).absent]


UNIVERSAL = {"address": "https://app.infisical.com", "client-id": CLIENT_ID, "client-secret": SECRET}


@pytest.mark.parametrize(
    ("config", "where"),
    [
        pytest.param({"client-id": CLIENT_ID, "client-secret": SECRET}, host(), id="inline"),
        pytest.param(
            {"client-id": "/id", "client-secret": "./secret"},
            host({"/id": f"{CLIENT_ID}\n", "./secret": f"  {SECRET}\n"}),
            id="files",
        ),
        pytest.param({"client-id": "id", "client-secret": "s"}, host({"id": CLIENT_ID, "s": SECRET}), id="near files"),
        pytest.param(
            {"client-id": "/nowhere", "client-secret": "/nowhere"},
            host(INFISICAL_UNIVERSAL_AUTH_CLIENT_ID=CLIENT_ID, INFISICAL_UNIVERSAL_CLIENT_SECRET=SECRET),
            id="variables win",
        ),
        pytest.param(
            {},
            host(INFISICAL_UNIVERSAL_AUTH_CLIENT_ID=CLIENT_ID, INFISICAL_UNIVERSAL_CLIENT_SECRET=SECRET),
            id="variables alone",
        ),
    ],
)
def test_universal_auth_stores_credentials_with_their_address(config, where):
    auth, (name, value) = login("universal-auth", config, where)
    assert auth == {"type": "universal-auth", "credentials": {"aws-secret": name}}
    assert value == UNIVERSAL
    assert name.startswith("evercert/credentials/infisical-")
    assert len(name) == len("evercert/credentials/infisical-") + 12


def test_secret_names_differ_per_address_and_client():
    config = {"client-id": CLIENT_ID, "client-secret": SECRET}
    names = {
        login("universal-auth", config)[1][0],
        login("universal-auth", config, infisical={"address": "https://eu.infisical.com"})[1][0],
        login("universal-auth", {**config, "client-id": IDENTITY})[1][0],
    }
    assert len(names) == 3
    assert login("universal-auth", {**config, "client-secret": "another" * 3})[1][0] in names


@pytest.mark.parametrize("client", [CLIENT_ID, {"aws-parameter": "/evercert/credentials/id"}])
def test_client_secret_reference_is_not_stored(client):
    auth, stored = login("universal-auth", {"client-id": client, "client-secret": REFERENCE})
    assert auth == {"type": "universal-auth", "client-id": client, "client-secret": REFERENCE}
    assert stored is None


def test_client_id_reference_works_with_an_inline_secret():
    auth, (name, value) = login("universal-auth", {"client-id": REFERENCE, "client-secret": SECRET})
    assert auth["client-secret"] == {"aws-secret": f"{name}#client-secret"}
    assert value == {"address": "https://app.infisical.com", "client-secret": SECRET}


def removing(secret, key="remove-client-secret-on-read"):
    config = {"client-id": CLIENT_ID, "client-secret": secret, key: True}
    return document(auth={"type": "universal-auth", "config": config})


@pytest.mark.parametrize("key", ["remove_client_secret_on_read", "remove-client-secret-on-read"])
def test_removal_names_the_file_of_the_client_secret(key):
    found = accepted(removing("/secret", key), host({"/secret": f"{SECRET}\n"}))
    assert (found.login.remove.path, found.login.remove.text) == ("/secret", SECRET)
    assert found.login.remove.credential == found.credential
    told = [note.message for note in found.notes]
    assert "remove-client-secret-on-read: apply deletes the file after the client secret is stored" in told


@pytest.mark.parametrize("where", [host(), host({"/s": SECRET}, INFISICAL_UNIVERSAL_CLIENT_SECRET=SECRET)])
def test_removal_has_no_effect_without_a_file(where):
    found = accepted(removing(SECRET if where.file("/s") is None else "/s"), where)
    assert found.login.remove is None
    assert any("has no effect: the client secret is not from a file" in note.message for note in found.notes)


def test_empty_file_is_not_a_removed_one():
    found = accepted(removing("/secret"), host({"/secret": "\n"}))
    assert found.login.stored is None
    assert any("the file is empty" in problem.message for problem in found.absent)


def test_removed_file_is_replaced_by_the_stored_secret():
    first = accepted(removing("/secret"), host({"/secret": SECRET}))
    again = accepted(removing("/secret"))
    assert (again.absent, again.credential, again.login.remove) == ([], None, None)
    assert again.login.stored == first.credential.name
    assert again.document.issuers == first.document.issuers
    assert any("the file is gone" in note.message for note in again.notes)


@pytest.mark.parametrize("secret", ["client-secret", "short"])
def test_text_that_is_no_path_is_not_a_removed_file(secret):
    assert accepted(removing(secret)).login.stored is None
    assert accepted(removing(secret)).absent


def test_aws_iam_needs_only_an_identity():
    expected = ({"type": "aws-iam", "identity-id": IDENTITY}, None)
    assert login("aws-iam", {"identity-id": IDENTITY}) == expected
    assert login("aws-iam", {"identity-id": "/id"}, host({"/id": f"{IDENTITY}\n"})) == expected
    assert login("aws-iam", {"identity-id": "/id"}, host(INFISICAL_MACHINE_IDENTITY_ID=IDENTITY)) == expected


@pytest.mark.parametrize(
    ("written", "kind", "key"),
    [
        ("kubernetes", "kubernetes", "service-account-token"),
        ("kubernetes-auth", "kubernetes", "service-account-token"),
        ("kubernetes", "kubernetes", "service-account-token-path"),
        ("azure", "azure", "token"),
        ("azure-auth", "azure", "token"),
        ("gcp-id-token", "gcp-id-token", "token"),
    ],
)
def test_proof_is_accepted_as_a_reference(written, kind, key):
    auth, stored = login(written, {"identity-id": IDENTITY, key: REFERENCE})
    clean = key.removesuffix("-path")
    assert auth == {"type": kind, "identity-id": IDENTITY, clean: REFERENCE}
    assert stored is None
    noted = notes(document(auth={"type": written, "config": {"identity-id": IDENTITY, key: REFERENCE}}))
    assert (f"{written} is read as {kind}, as by the agent's program" in noted) == (written != kind)
    assert (f"{key} is read as {clean}, as by the agent's program" in noted) == (key != clean)


@pytest.mark.parametrize(
    ("kind", "config", "key"),
    [
        ("kubernetes", {}, "service-account-token"),
        ("kubernetes", {"service-account-token": "/var/run/token"}, "service-account-token"),
        ("azure", {}, "token"),
        ("gcp-id-token", {}, "token"),
    ],
)
def test_login_that_relies_on_the_host_is_only_validated(kind, config, key):
    """`apply` refuses what is absent; `validate` prints it as a note."""
    (message,) = absent(kind, {"identity-id": IDENTITY, **config}, host({"/var/run/token": "eyJhbGciOi"}))
    assert message.startswith(f"{kind} takes its proof from ")
    assert f"write {key}: {{aws-secret: evercert/credentials/NAME}}, a secret " in message
    assert f'{{"address": "https://app.infisical.com", "{key}": "…"}} that a ' in message
    assert "stores" in message and "at least once" in message


@pytest.mark.parametrize(
    ("config", "where"),
    [
        (WITH_KEY, host({"/gcp.json": json.dumps(KEY)})),
        ({"service-account-key": json.dumps(KEY)}, host()),
        ({"service-account-key": KEY}, host()),
        ({}, host(INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH=f" {json.dumps(KEY)}\n")),
        (
            {},
            host({"/env.json": json.dumps(KEY)}, INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH="/env.json"),
        ),
    ],
)
def test_service_account_key_is_stored_in_a_secret(config, where):
    auth, (name, value) = login("gcp-iam", {"identity-id": IDENTITY, **config}, where)
    reference = {"aws-secret": f"{name}#service-account-key"}
    assert auth == {"type": "gcp-iam", "identity-id": IDENTITY, "service-account-key": reference}
    assert value == {"address": "https://app.infisical.com", "service-account-key": KEY}


def test_service_account_key_reference_is_not_stored():
    auth, stored = login("gcp-iam", {"identity-id": IDENTITY, "service-account-key": REFERENCE})
    assert (auth["service-account-key"], stored) == (REFERENCE, None)


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"client_email": "a"}', "[" * 50_000])
def test_malformed_service_account_key_is_not_quoted(text):
    ((_, message),) = reported("gcp-iam", {"identity-id": IDENTITY, **WITH_KEY}, host({"/gcp.json": text}))
    assert message.startswith("not a service account key") or "service-account-key" in message
    assert text not in message


def test_ldap_stores_only_the_password():
    where = host(INFISICAL_LDAP_USERNAME="me", INFISICAL_LDAP_PASSWORD=SECRET)
    for auth, (name, value) in (
        login("ldap-auth", {"identity-id": IDENTITY}, where),
        login("ldap-auth", {"identity-id": IDENTITY, "username": "me", "password": SECRET}),
    ):
        password = {"aws-secret": f"{name}#password"}
        assert auth == {"type": "ldap-auth", "identity-id": IDENTITY, "username": "me", "password": password}
        assert value == {"address": "https://app.infisical.com", "password": SECRET}


def test_organization_is_read_from_the_environment():
    auth, _ = login("aws-iam", {"identity-id": IDENTITY}, host(INFISICAL_AUTH_ORGANIZATION_SLUG="sub"))
    assert auth["organization"] == "sub"


NO_LOGIN = " (the agent's program knows the name, but has no login for it)"


@pytest.mark.parametrize(
    ("kind", "more"), [("oidc-auth", NO_LOGIN), ("jwt-auth", NO_LOGIN), ("universal", ""), ("AWS-IAM", "")]
)
def test_unknown_login_type_lists_the_known_ones(kind, more):
    ((key, message),) = reported(kind, {"identity-id": IDENTITY})
    assert key == "type"
    assert message == (
        f"unknown login type '{kind}'; write one of universal-auth, aws-iam, kubernetes, azure, gcp-id-token, gcp-iam, "
        f"ldap-auth{more}"
    )


def test_missing_keys_are_reported_with_their_variables():
    assert absent("universal-auth", {}) == [
        "missing key 'client-id': add it, or set INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
        "missing key 'client-secret': add it, or set INFISICAL_UNIVERSAL_CLIENT_SECRET",
    ]
    assert absent("ldap-auth", {}) == [
        "missing key 'identity-id': add it, or set INFISICAL_MACHINE_IDENTITY_ID",
        "missing key 'username': add it, or set INFISICAL_LDAP_USERNAME",
        "missing key 'password': add it, or set INFISICAL_LDAP_PASSWORD",
    ]


@pytest.mark.parametrize(
    "written",
    ["/run/secrets/infisical", "./secret", "../secret", "~/secret", "secret.txt", "creds/client-secret",
     "client-secret", "the secret of the application", "C:\\secrets\\infisical-secret"],
)  # fmt: skip
def test_path_is_neither_used_as_client_secret_nor_quoted(written):
    assert absent("universal-auth", {"client-id": CLIENT_ID, "client-secret": written}) == [
        "client-secret: the value is neither a client secret nor a file on this host"
    ]


@pytest.mark.parametrize("key", ["client-id", "identity-id"])
@pytest.mark.parametrize("name", ["/run/id", "identity", "your-identity-id"])
def test_identity_in_a_missing_file_is_absent(key, name):
    kind = "universal-auth" if key == "client-id" else "aws-iam"
    assert absent(kind, {"client-secret": SECRET, key: name}) == [
        f"{key}: the value is neither a UUID nor a file on this host"
    ]


@pytest.mark.parametrize(
    "password", ["correct.horse", "/x9Kq/7Zt+abc==", "~tilde", "./dot", "{brace", "/", "with space", "C:\\x"]
)
def test_password_may_look_like_a_path(password):
    def file(name):
        if name == "/":
            raise IsADirectoryError(21, "Is a directory")

    config = {"identity-id": IDENTITY, "username": "svc@example.com", "password": password}
    auth, (_, value) = login("ldap-auth", config, Host({}, file))
    assert auth["username"] == "svc@example.com"
    assert value["password"] == password


@pytest.mark.parametrize(
    "written", ["/nowhere/key.json", "key.json", "nothing", json.dumps(KEY)[1:], "eyJ0eXBlIjoic2VydmljZV9hY2NvdW50In0="]
)
def test_missing_key_file_is_absent_and_not_quoted(written):
    by_variable = host(INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH=written)
    assert absent("gcp-iam", {"identity-id": IDENTITY}, by_variable) == [
        "INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH: no such file on this host"
    ]
    assert absent("gcp-iam", {"identity-id": IDENTITY, "service-account-key": written}) == [
        "service-account-key: the value is neither a service account key in JSON nor a file on this host"
    ]


@pytest.mark.parametrize("part", ["client_email", "private_key_id", "private_key"])
@pytest.mark.parametrize("form", [json.dumps, dict])
def test_incomplete_service_account_key_is_not_stored(part, form):
    key = form({**KEY, part: 5})
    ((_, message),) = reported("gcp-iam", {"identity-id": IDENTITY, "service-account-key": key})
    assert "JSON with client_email, private_key_id and private_key" in message


def test_service_account_key_beyond_json_is_refused():
    key = {**KEY, "made": date(2027, 1, 1)}
    ((_, message),) = reported("gcp-iam", {"identity-id": IDENTITY, "service-account-key": key})
    assert "not a service account key" in message


@pytest.mark.parametrize(
    ("kind", "config", "key"),
    [
        ("universal-auth", {"client-id": CLIENT_ID, "client-secret": 5}, "client-secret"),
        ("ldap-auth", {"identity-id": IDENTITY, "username": "me", "password": {"vault": "x"}}, "password"),
        ("gcp-iam", {"identity-id": IDENTITY, "service-account-key": {"type": "x"}}, "service-account-key"),
        ("azure", {"identity-id": IDENTITY, "token": 5}, "token"),
        ("aws-iam", {"identity-id": 5}, "identity-id"),
    ],
)
def test_refused_value_is_not_reported_as_missing(kind, config, key):
    ((path, message),) = reported(kind, config)
    assert path == key
    assert message.startswith(f"{key}: write ")


@pytest.mark.parametrize("key", [f"client-secret:{SECRET}", SECRET, "Hunter2", "s3cret", 7])
def test_unknown_key_that_may_be_a_secret_is_not_quoted(key):
    where = ("auth", "config") if key != "s3cret" else ("auth",)
    auth = {"type": "aws-iam", "config": {"identity-id": IDENTITY}}
    (auth["config"] if len(where) > 1 else auth)[key] = None
    ((_, message),) = refused(document(auth=auth))
    assert message == f"{where[-1]}: an invalid key; is a space missing after a colon?"


def test_mistyped_key_of_auth_gets_a_suggestion():
    found = notes(document(auth={"type": "aws-iam", "config": {"identity-id": IDENTITY, "identiy": "x"}}))
    assert "unknown key 'identiy' is left out; did you mean 'identity-id'?" in found
    config = {"client-id": CLIENT_ID, "client-secert": SECRET}
    data = document(auth={"type": "universal-auth", "config": config})
    assert [problem.message for problem in accepted(data).absent] == [
        "missing key 'client-secret': add it, or set INFISICAL_UNIVERSAL_CLIENT_SECRET",
        "unknown key 'client-secert' is left out; did you mean 'client-secret'?",
    ]
    assert not [note for note in notes(data) if "client-secert" in note]


def test_used_variables_are_noted():
    where = host(
        INFISICAL_UNIVERSAL_AUTH_CLIENT_ID=CLIENT_ID, INFISICAL_UNIVERSAL_CLIENT_SECRET=SECRET,
        INFISICAL_AUTH_ORGANIZATION_SLUG="sub", INFISICAL_LDAP_PASSWORD="unused",
    )  # fmt: skip
    noted = notes(document(auth={"type": "universal-auth", "config": {"client-id": "/id"}}), where)
    assert [note for note in noted if "is taken from" in note] == [
        "client-id is taken from INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
        "client-secret is taken from INFISICAL_UNIVERSAL_CLIENT_SECRET",
        "organization is taken from INFISICAL_AUTH_ORGANIZATION_SLUG",
    ]


def test_unusable_file_is_absent():
    def file(name):
        if name == "/denied":
            raise PermissionError(13, "Permission denied")
        if name == CLIENT_ID:
            return None
        if name == "/binary":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
        return "  \n"

    config = {"client-id": CLIENT_ID}
    for name, message in (
        ("/denied", "client-secret: cannot read the file: Permission denied"),
        ("/binary", "client-secret: the file is not UTF-8 text"),
        ("/empty", "client-secret: the file is empty"),
    ):
        assert absent("universal-auth", {**config, "client-secret": name}, Host({}, file)) == [message]


@pytest.mark.parametrize("key", ["client-id", "identity-id"])
def test_identity_must_be_a_uuid_and_is_not_quoted(key):
    kind = "universal-auth" if key == "client-id" else "aws-iam"
    for value in (SECRET, IDENTITY[:-1], f"{{{IDENTITY}}}", f"{IDENTITY}\n{IDENTITY}"):
        ((_, message),) = reported(kind, {"client-secret": SECRET, key: value})
        assert message == f"{key}: the value is neither a UUID nor a file on this host"


def test_client_secret_must_be_a_single_line():
    ((_, message),) = reported("universal-auth", {"client-id": CLIENT_ID, "client-secret": f"{SECRET}\nmore"})
    assert message == "client-secret: the value must be a single line of text"


@pytest.mark.parametrize(
    "reference",
    [
        {"aws-secret": "prod/database"},
        {"aws-secret": 5},
        {"aws-secret": "evercert/credentials/a", "aws-parameter": "/evercert/credentials/a"},
        {"vault": SECRET},
        {SECRET: "vault"},
    ],
)
def test_invalid_reference_is_not_quoted(reference):
    found = reported("universal-auth", {"client-id": CLIENT_ID, "client-secret": reference})
    assert any(message.startswith("client-secret: write aws-secret: evercert/credentials/NAME") for _, message in found)
    assert SECRET not in str(found)
    assert "prod/database" not in str(found)


def test_unused_keys_of_a_login_are_noted():
    auth = {"type": "aws-iam", "config": {"identity-id": IDENTITY, "client-secret": SECRET}}
    assert "client-secret is ignored: aws-iam does not use it" in notes(document(auth=auth))
    assert accepted(document(auth=auth)).credential is None


def test_inline_credential_is_noted():
    inline = document(auth={"type": "universal-auth", "config": {"client-id": CLIENT_ID, "client-secret": SECRET}})
    noted = [note for note in notes(inline) if "client-secret" in note]
    assert noted == ["client-secret is written in the document; it is stored in a secret: refer to that secret instead"]
    beside = document(auth={"type": "universal-auth", "config": {"client-id": CLIENT_ID, "client-secret": "/s"}})
    assert not [note for note in notes(beside, host({"/s": SECRET})) if "client-secret" in note]


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("universal-auth", {"client-id": CLIENT_ID, "client-secret": SECRET}),
        ("ldap-auth", {"identity-id": IDENTITY, "username": "me", "password": SECRET}),
        ("gcp-iam", {"identity-id": IDENTITY, "service-account-key": json.dumps({**KEY, "private_key": SECRET})}),
    ],
)
def test_credentials_appear_only_in_the_secret(kind, config):
    found = accepted(document(auth={"type": kind, "config": config}))
    assert SECRET in str(found.credential.value)
    assert SECRET not in repr(found)
    assert SECRET not in json.dumps(found.data)


PLACEHOLDERS = ("${SECRET}", "$SECRET", "{{ .secret }}", "<your-client-secret>", "SECRET=f00dfeedcafebabe", "%SECRET%")
UNRENDERED = "the value is a placeholder or NAME=value, not a credential; was the document rendered?"


@pytest.mark.parametrize("value", [*PLACEHOLDERS, "export SECRET=f00d", "SECRET = f00d", "f00d${SECRET}", "$(cat s)"])
def test_placeholder_is_no_client_secret(value):
    wanted = [("client-secret", f"client-secret: {UNRENDERED}")]
    assert reported("universal-auth", {"client-id": CLIENT_ID, "client-secret": value}) == wanted
    in_file = host({"/s": value})
    assert reported("universal-auth", {"client-id": CLIENT_ID, "client-secret": "/s"}, in_file) == wanted
    variable = host(INFISICAL_UNIVERSAL_CLIENT_SECRET=value)
    assert [m for _, m in reported("universal-auth", {"client-id": CLIENT_ID}, variable)] == [wanted[0][1]]


@pytest.mark.parametrize("value", PLACEHOLDERS)
@pytest.mark.parametrize(("kind", "key"), [("aws-iam", "identity-id"), ("universal-auth", "client-id")])
def test_placeholder_is_no_identity(kind, key, value):
    assert (key, f"{key}: {UNRENDERED}") in reported(kind, {"client-secret": SECRET, key: value})


@pytest.mark.parametrize("value", ["Zm9vZm9vZm9vZm9vZg==", "Zm9vZm9vZm9vZm9vZm8="])
def test_padding_of_base64_is_no_assignment(value):
    _, stored = login("universal-auth", {"client-id": CLIENT_ID, "client-secret": value})
    assert stored[1]["client-secret"] == value


@pytest.mark.parametrize("value", ["${PASSWORD}", "{{ password }}"])
def test_password_that_is_wholly_a_placeholder_is_refused(value):
    config = {"identity-id": IDENTITY, "username": "me", "password": value}
    assert reported("ldap-auth", config) == [("password", f"password: {UNRENDERED}")]


@pytest.mark.parametrize("value", ["$ecret", "a${b}c", "<me>", "A=b", "x{{y}}"])
def test_password_may_contain_any_character(value):
    _, stored = login("ldap-auth", {"identity-id": IDENTITY, "username": "me", "password": value})
    assert stored[1]["password"] == value


@pytest.mark.parametrize("value", ["infisical-client-secret", "your_client_secret_here"])
def test_bare_file_name_is_no_client_secret(value):
    (message,) = absent("universal-auth", {"client-id": CLIENT_ID, "client-secret": value})
    assert message == "client-secret: the value is neither a client secret nor a file on this host"
