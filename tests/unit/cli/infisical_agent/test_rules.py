"""Checks of agent documents: those of the agent, and errors that the agent finds too late."""

import pytest

from evercert.cli.infisical_agent.translation import is_agent
from tests.samples.agent_documents import (
    CLIENT_ID,
    IDENTITY,
    accepted,
    document,
    entry,
    host,
    notes,
    outputs,
    refused,
    request,
    v1,
)

FIRST = ("certificates", 0)


def follower(**changes):
    removed = dict.fromkeys(("application_name", "profile_name", "attributes", "lifecycle"))
    return entry(**{**removed, "certificate_id": CLIENT_ID, **changes})


def test_missing_version_gets_a_suggestion():
    data = document(v1())
    del data["version"]
    ((path, message),) = refused(data)
    assert (path, message) == ((), "missing version; write version: v1 (project-slug)")
    data = document()
    del data["version"]
    assert refused(data) == [((), "missing version; write version: v2 (application-name)")]


@pytest.mark.parametrize("version", ["v3", "3", "v1.5"])
def test_unsupported_version(version):
    assert refused(document(version=version)) == [
        (("version",), f"unsupported version: {version}. Supported versions: v1, v2")
    ]


@pytest.mark.parametrize("nothing", [None, [], [None], {}])
def test_no_certificates(nothing):
    found = refused({**document(), "certificates": nothing})
    assert found[0] == (("certificates",), "at least one certificate is required")
    assert found[1:] == [(FIRST, "certificate 1 is empty; fill it in or remove it")] * (nothing == [None])


def test_templates_are_refused():
    ((path, message),) = refused(document(templates=[{"source-path": "/x"}]))
    assert path == ("templates",)
    assert message.startswith("templates belong to the secrets agent and are not allowed with certificates")


@pytest.mark.parametrize(
    ("version", "key", "value"),
    [("v1", "project-slug", "web"), ("v2", "application-name", "shop"), ("v1", "profile-name", "tls")],
)
def test_certificate_id_exclusivity(version, key, value):
    ((path, message),) = refused(document(follower(**{key: value}), version=version))
    assert path == (*FIRST, key)
    assert message.startswith(f"certificate 1: 'certificate-id' cannot be used together with '{key}'")


@pytest.mark.parametrize(("key", "value"), [("csr", request(cn="a.example")), ("csr-path", "/a.csr")])
def test_certificate_id_with_a_csr(key, value):
    found = refused(document(follower(**{key: value})), host({"/a.csr": request(cn="a.example")}))
    assert (
        (*FIRST, key),
        "certificate 1: 'certificate-id' cannot be used together with 'csr/csr-path'; remove one of them",
    ) in found


def test_certificate_id_conflicts_keep_the_order_of_the_agent():
    both = follower(
        csr_path="/a.csr", application_name="a", profile_name="b", project_slug="c", attributes={"ttl": "1d"}
    )
    messages = [message for _, message in refused(document(both), host({"/a.csr": request(cn="a.example")}))]
    words = [
        "'project-slug'",
        "'profile-name'",
        "'application-name'",
        "'csr/csr-path'",
        "'attributes' is not supported",
    ]
    assert [word in message for word, message in zip(words, messages, strict=False)] == [True] * 5


def test_certificate_id_with_attributes():
    ((path, message),) = refused(document(follower(attributes={"ttl": "1d"})))
    assert path == (*FIRST, "attributes")
    assert message.startswith("certificate 1: 'attributes' is not supported when using 'certificate-id'")


def test_v1_rejects_application_name():
    ((path, message),) = refused(document(v1(application_name="shop"), version="v1"))
    assert path == (*FIRST, "application-name")
    assert message.startswith("certificate 1 (version v1): 'application-name' is not supported; write 'project-slug'")


def test_v2_rejects_project_slug():
    ((path, message),) = refused(document(entry(project_slug="web")))
    assert path == (*FIRST, "project-slug")
    assert message.startswith("certificate 1 (version v2): 'project-slug' is not supported; write 'application-name'")


@pytest.mark.parametrize(
    ("version", "key"),
    [("v1", "project-slug"), ("v1", "profile-name"), ("v2", "application-name"), ("v2", "profile-name")],
    ids=["v1_missing_project", "v1_missing_profile", "v2_missing_application", "v2_missing_profile"],
)
def test_missing_fields(version, key):
    made = v1 if version == "v1" else entry
    assert refused(document(made(**{key.replace("-", "_"): None}), version=version)) == [
        (FIRST, f"certificate 1 (version {version}): '{key}' is required")
    ]


def test_both_csr_and_csr_path():
    both = entry(csr=request(cn="a.example"), csr_path="/a.csr")
    ((path, message),) = refused(document(both))
    assert path == (*FIRST, "csr-path")
    assert message.startswith(
        "certificate 1: certificate configuration cannot specify both 'csr' and 'csr-path' fields"
    )


def test_malformed_csr_is_not_quoted():
    ((path, message),) = refused(document(entry(csr="hunter2", attributes=None)))
    assert path == (*FIRST, "csr")
    assert message.startswith("certificate 1: csr: has 0 PEM blocks")
    ((path, message),) = refused(document(entry(csr_path="/a.csr", attributes=None)), host({"/a.csr": "hunter2"}))
    assert path == (*FIRST, "csr-path")
    assert "hunter2" not in message


@pytest.mark.parametrize("key", ["ttl", "renew-before-expiry", "status-check-interval", "failure-retry-interval"])
@pytest.mark.parametrize("text", ["soon", "90", "-30d", "3mo", "d", "1h-5m", "9" * 200 + "d"])
def test_invalid_duration(key, text):
    if key == "ttl":
        data, part = entry(attributes={"common-name": "a.example", key: text}, lifecycle=None), "attributes"
    else:
        data, part = entry(lifecycle={"renew-before-expiry": "1d", key: text}), "lifecycle"
    ((path, message),) = refused(document(data))
    assert path == (*FIRST, part, key)
    assert message.startswith(f"certificate 1: {key}: ")
    assert "is negative" in message or "is not a duration" in message


@pytest.mark.parametrize("text", ["0s", "1ms", "101y"])
def test_duration_out_of_range(text):
    ((path, _),) = refused(document(entry(attributes={"common-name": "a.example", "ttl": text}, lifecycle=None)))
    assert path == (*FIRST, "attributes", "ttl")


def test_renew_before_expiry_exceeds_ttl():
    for span in ("90d", "91d"):
        ((path, message),) = refused(document(entry(lifecycle={"renew-before-expiry": span})))
        assert path == FIRST
        assert message == f"certificate 1: lifecycle.renew-before-expiry ({span}) must be shorter than attributes.ttl"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("key-algorithm", "RSA_1024", "key-algorithm: "),
        ("signature-algorithm", "MD5", ""),
        ("key-usages", ["signing"], "unsupported usage 'signing'"),
        ("extended-key-usages", ["server"], "unsupported usage 'server'"),
        ("alt-names", ["no name"], "only printable ASCII without spaces"),
        ("common-name", {"a": 5}, "common-name: write text"),
        ("alt-names", [5], "'5' is not a DNS name"),
        ("alt-names", "a.example", "alt-names: write a list"),
        ("alt-names", [["a.example"]], "alt-names[0]: write text"),
    ],
)
def test_values_that_only_the_server_refuses_are_checked(key, value, expected):
    ((path, message),) = refused(document(entry(attributes={"common-name": "a.example", key: value})))
    assert path[:4] == (*FIRST, "attributes", key)
    assert message.startswith("certificate 1: ")
    assert expected.replace("key-algorithm: ", "") in message


def test_missing_certificate_path():
    for given in (None, {}, {"certificate": {"permission": "0644"}, "private-key": {"path": "/a.key"}}):
        found = refused(document(entry(file_output=given)))
        (message,) = [text for _, text in found if "file-output.certificate" in text]
        assert message.startswith("certificate 1: file-output.certificate.path is required")


def test_private_key_path_is_required_with_a_server_side_key():
    alone = {"certificate": {"path": "/a.crt"}}
    ((_, message),) = refused(document(entry(file_output=alone)))
    assert message.startswith("certificate 1: file-output.private-key.path is required")
    assert notes(document(entry(file_output=alone, csr=request(cn="a.example"), attributes=None)))
    assert notes(document(follower(file_output=alone)))


def test_two_outputs_that_share_a_file_are_noted():
    one = {"certificate": {"path": "/a.pem"}, "private-key": {"path": "/a.pem"}}
    shared = "is also the file of the certificate of certificate 1; on a host, one overwrites the other"
    (found,) = [note for note in accepted(document(entry(file_output=one))).notes if "also the file" in note.message]
    assert found.path == (*FIRST, "file-output", "private-key", "path")
    assert found.message == f"certificate 1: /a.pem {shared}"
    two = entry(file_output=outputs("a")), entry(attributes={"common-name": "b.example"}, file_output=outputs("a"))
    found = [note.path[1:] for note in accepted(document(*two)).notes if "also the file" in note.message]
    assert found == [(1, "file-output", "certificate", "path"), (1, "file-output", "private-key", "path")]


@pytest.mark.parametrize(
    ("mode", "fine"),
    [("0644", 1), ("644", 1), ("0o640", 1), (640, 1), ("0888", 0), ("rw", 0), (-1, 0), ("77777", 0), (True, 0)],
)
def test_file_permissions(mode, fine):
    output = outputs("a")
    output["certificate"]["permission"] = mode
    found = [note for note in accepted(document(entry(file_output=output))).notes if "file mode" in note.message]
    assert bool(found) != bool(fine)
    for note in found:
        assert note.path == (*FIRST, "file-output", "certificate", "permission")
        assert "for which the agent takes 0600" in note.message


@pytest.mark.parametrize(
    ("section", "value", "path", "expected"),
    [
        ("infisical", [1], ("infisical",), "infisical: write a mapping"),
        (
            "infisical",
            {"exit-after-auth": "yes"},
            ("infisical", "exit-after-auth"),
            "exit-after-auth: write true or false",
        ),
        (
            "infisical",
            {"retry-strategy": {"base-delay": "0ms"}},
            ("infisical", "retry-strategy", "base-delay"),
            "base-delay: '0ms' is not a delay",
        ),
        (
            "infisical",
            {"retry-strategy": {"max-retries": "3"}},
            ("infisical", "retry-strategy", "max-retries"),
            "max-retries: write a whole number",
        ),
    ],
)
def test_sections_are_checked_key_by_key(section, value, path, expected):
    ((place, message),) = refused(document(**{section: value}))
    assert place == path
    assert message.startswith(expected)


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
    [
        ({"lifecycle": "30d"}, ("lifecycle",), "lifecycle: write a mapping"),
        (
            {"post_hooks": {"on-renewal": {"command": "x", "timeout": "1m"}}},
            ("post-hooks", "on-renewal", "timeout"),
            "write a whole number",
        ),
    ],
)
def test_invalid_value_of_a_certificate_has_its_number(changes, path, expected):
    ((place, message),) = refused(document(entry(**changes)))
    assert place == (*FIRST, *path)
    assert message.startswith("certificate 1: ")
    assert expected in message


@pytest.mark.parametrize(
    ("data", "path", "note"),
    [
        (
            document(infisical={"exit-after-aut": True}),
            ("infisical", "exit-after-aut"),
            "unknown key 'exit-after-aut' is left out; did you mean 'exit-after-auth'?",
        ),
        (document(sink=[{"type": "file"}]), ("sink",), "unknown key 'sink' is left out; did you mean 'sinks'?"),
        (document(**{"x-common": {}}), ("x-common",), "unknown key 'x-common' is left out"),
        (document() | {7: "x"}, ("7",), "an unknown key is left out"),
        (
            document(entry(atributes={})),
            (*FIRST, "atributes"),
            "certificate 1: unknown key 'atributes' is left out; did you mean 'attributes'?",
        ),
        (
            document(entry(post_hooks={"on-renew": {"command": "x"}})),
            (*FIRST, "post-hooks", "on-renew"),
            "certificate 1: unknown key 'on-renew' is left out; did you mean 'on-renewal'?",
        ),
        (
            document(infisical={"retry-strategy": {"max-retries": -1}}),
            ("infisical", "retry-strategy", "max-retries"),
            "max-retries is left out: must be 0 or more",
        ),
    ],
    ids=["section", "top", "holder", "number", "certificate", "hook", "count"],
)
def test_left_out_keys_are_noted_at_their_place(data, path, note):
    assert (path, note) in [(found.path, found.message) for found in accepted(data).notes]


@pytest.mark.parametrize(
    ("changes", "key", "known"),
    [
        ({"infisical": {"adress": "https://secrets.example.com"}}, "adress", "address"),
        ({"infisicl": {"address": "https://secrets.example.com"}}, "infisicl", "infisical"),
    ],
    ids=["address", "section"],
)
def test_mistyped_address_is_refused(changes, key, known):
    """The login would be sent to the public cloud."""
    ((_, message),) = refused(document(**changes))
    assert message == (
        f"unknown key '{key}'; did you mean '{known}'?; without it the login would be sent to app.infisical.com"
    )


def test_unknown_key_of_many_certificates_is_one_note():
    many = [entry(colour="red", name=f"c{n}", file_output=outputs(f"c{n}")) for n in range(3)]
    assert [note for note in notes(document(*many)) if "colour" in note] == [
        "certificates 1, 2, 3: unknown key 'colour' is left out"
    ]


def test_unknown_key_that_resembles_none_is_no_error():
    messages = [message for _, message in refused(document(entry(colour="red", profile_nam="x", profile_name=None)))]
    assert messages == [
        "certificate 1 (version v2): 'profile-name' is required",
        "certificate 1: unknown key 'profile-nam' is left out; did you mean 'profile-name'?",
    ]


def test_key_in_two_spellings_is_read_as_by_the_program():
    found = accepted(document(entry(profile_name="a") | {"profile_name": "b"}))
    assert list(found.document.issuers) == ["infisical.shop.a"]
    message = "certificate 1: profile_name is left out: the agent reads profile-name"
    assert ((*FIRST, "profile_name"), message) in [(note.path, note.message) for note in found.notes]


@pytest.mark.parametrize(
    ("value", "fine"),
    [(True, 1), (False, 1), ("y", 1), ("N", 1), ("yes", 0), ("true", 0), (1, 0)],
    ids=["true", "false", "y", "N", "quoted yes", "quoted true", "one"],
)
def test_flag_takes_what_the_agent_takes(value, fine):
    data = document(infisical={"exit-after-auth": value})
    assert notes(data) if fine else "write true or false" in refused(data)[0][1]


@pytest.mark.parametrize(("value", "fine"), [(3, 1), (3.0, 1), (True, 0), ("3", 0), (float("inf"), 0)])
def test_count_takes_what_the_agent_takes(value, fine):
    data = document(infisical={"retry-strategy": {"max-retries": value}})
    if fine:
        (settings,) = [issuer.settings for issuer in accepted(data).document.issuers.values()]
        assert settings["retry"] == {"max-retries": 3}
    else:
        assert "write a whole number" in refused(data)[0][1]


def test_auth_is_required():
    data = document()
    del data["auth"]
    ((path, message),) = refused(data)
    assert path == ()
    assert message.startswith("missing key 'type' in auth")


def test_all_errors_of_all_certificates_are_reported():
    bad = entry(nam="red", attributes={"common-name": "a.example", "ttl": "soon", "key-usages": ["signing"]})
    data = document(bad, v1(file_output=outputs("b")), auth={"type": "vault", "config": {"identity-id": IDENTITY}})
    messages = [message for _, message in refused(data)]
    parts = (
        "unknown login type 'vault'",
        "1: unknown key 'nam' is left out",
        "1: ttl: 'soon'",
        "1: key-usages[0]: unsupported usage 'signing'",
    )
    for part in (*parts, "'project-slug' is not supported", "2 (version v2): 'application-name' is required"):
        assert len([message for message in messages if part in message]) == 1, part
    assert len(messages) == 6


def test_list_entry_must_be_a_mapping():
    ((path, message),) = refused(document(entry(), "web"))
    assert path == ("certificates", 1)
    assert message == "certificate 2: certificates[1]: write a mapping"


@pytest.mark.parametrize(
    ("data", "agent"),
    [
        (document(), True),
        ({"version": "v3", "auth": {}}, True),
        ({"infisical": {}, "certificates": []}, True),
        ({"version": "v1"}, True),
        ({"version": "evercert/v1", "auth": {}}, False),
        ({"version": "evercert/v1"}, False),
        ({"certificates": []}, False),
        ([], False),
    ],
)
def test_is_agent_checks_version_and_sections(data, agent):
    assert is_agent(data) is agent
