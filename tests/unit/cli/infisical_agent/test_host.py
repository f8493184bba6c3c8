"""Agent documents as files: errors and notes have file and line, and never quote a secret."""

import json
import os
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evercert.cli.files import BadInput, Files
from evercert.cli.infisical_agent import host as hosts
from evercert.cli.infisical_agent.translation import Agent, read
from tests.samples.agent_documents import CLIENT_ID, IDENTITY, KINDS, SECRET, document, entry, host, outputs, v1

TEXT = f"""\
# as on the host
version: v2
infisical:
  address: https://app.infisical.com
auth:
  type: universal-auth
  config:
    client-id: {CLIENT_ID}
    client-secret: {SECRET}
certificates:
  - application-name: shop
    profile-name: tls-server
    attributes:
      common-name: www.example.com
      alt-names:
        - example.com
        - 192.0.2.1
      ttl: 90d
    lifecycle:
      renew-before-expiry: 30d
      status-check-interval: 10s
    post-hooks:
      on-renewal:
        command: systemctl reload nginx
    file-output:
      certificate:
        path: /etc/ssl/web.crt
        permission: 0644
      private-key:
        path: /etc/ssl/web.key
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def to_files(*texts):
        for number, text in enumerate(texts, 1):
            (tmp_path / f"{number}.yaml").write_text(text if isinstance(text, str) else json.dumps(text))
        return [f"{number}.yaml" for number, _ in enumerate(texts, 1)]

    return to_files


def load(files, where=None, **options):
    return Files(files, kinds=KINDS, host=where or host(), **options)


def errors(files, where=None, **options):
    with pytest.raises(BadInput) as caught:
        load(files, where, **options)
    return caught.value.lines


def test_agent_document_is_read_unchanged(write):
    files = load(write(TEXT))
    assert [spec.name for spec in files.specs] == ["www.example.com"]
    assert list(files.issuers) == ["infisical.shop.tls-server"]
    (credential,) = files.credentials
    assert files.wanted(None).issuers["infisical.shop.tls-server"].settings["auth"] == {
        "type": "universal-auth",
        "credentials": {"aws-secret": credential.name},
    }


def test_notes_have_file_and_line(write):
    assert [note.partition(" is ")[0].partition(": the stack ")[0] for note in load(write(TEXT)).notes] == [
        "1.yaml:9: client-secret",
        "1.yaml:17: certificate 1: 192.0.2.1",
        "1.yaml:21: certificate 1: status-check-interval",
        "1.yaml:22: certificate 1",
        "1.yaml:25: certificate 1",
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("version: v2", "version: v3", "1.yaml:2: unsupported version: v3"),
        ("version: v2\n", "", "1.yaml:2: missing version; write version: v2"),
        ("https://app", "http://app", "1.yaml:4: address: http://app.infisical.com: http exposes tokens"),
        (
            "universal-auth",
            "oidc-auth",
            "1.yaml:6: unknown login type 'oidc-auth'; write one of universal-auth, aws-iam",
        ),
        (
            "application-name: shop",
            "project-slug: shop",
            "1.yaml:11: certificate 1 (version v2): 'project-slug'",
        ),
        ("    profile-name: tls-server\n", "", "1.yaml:11: certificate 1 (version v2): 'profile-name' is required"),
        (
            "profile-name: tls",
            "profil-name: tls",
            "1.yaml:12: certificate 1: unknown key 'profil-name' is left out; did you mean 'profile-name'?",
        ),
        ("        - example.com", "        - no name", "1.yaml:16: certificate 1: alt-names[0]: 'no name'"),
        ("ttl: 90d", "ttl: 3mo", "1.yaml:18: certificate 1: ttl: '3mo' is not a duration"),
        ("ttl: 90d", "key-algorithm: RSA_1", "1.yaml:18: certificate 1: key-algorithm: Input should be"),
        ("ttl: 90d", "key-usages: [sign]", "1.yaml:18: certificate 1: key-usages[0]: unsupported usage 'sign'"),
        ("renew-before-expiry: 30d", "renew-before-expiry: 90d", "1.yaml:11: certificate 1: lifecycle.renew-before-"),
        ("interval: 10s", "interval: -10s", "1.yaml:21: certificate 1: status-check-interval: '-10s' is negative"),
        ("        path: /etc/ssl/web.crt\n", "", "1.yaml:26: certificate 1: file-output.certificate.path is required"),
        ("certificates:\n", "templates: [a]\ncertificates:\n", "1.yaml:10: templates belong to the secrets agent"),
    ],
)
def test_files_report_each_mistake_with_file_and_line(write, right, wrong, message):
    assert TEXT.count(right) == 1
    lines = errors(write(TEXT.replace(right, wrong)))
    assert any(line.startswith(message) for line in lines), lines
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("common-name: www", "comon-name: www", "1.yaml:14: certificate 1: unknown key 'comon-name' is left out; did"),
        (
            "on-renewal:",
            "on-renew:",
            "1.yaml:23: certificate 1: unknown key 'on-renew' is left out; did you mean 'on-renewal'?",
        ),
        ("0644", "0999", "1.yaml:28: certificate 1: permission is left out: '0999' is not a file mode"),
        (
            "ssl/web.key",
            "ssl/web.crt",
            "1.yaml:30: certificate 1: /etc/ssl/web.crt is also the file of the certificate of",
        ),
    ],
    ids=["common-name", "hook", "mode", "file"],
)
def test_files_note_what_the_agent_takes_and_leaves_out(write, right, wrong, message):
    assert TEXT.count(right) == 1
    notes = load(write(TEXT.replace(right, wrong))).notes
    assert any(note.startswith(message) for note in notes), notes


ANCHORS = f"""\
version: v2
x-common: &common
  application-name: shop
  profile-name: 7
  lifecycle: &renewal {{renew-before-expiry: 30d, status-check-interval: 0}}
x-lifecycle: *renewal
auth: {{type: aws-iam, config: {{identity-id: {IDENTITY}}}}}
certificates:
  - <<: *common
    attributes: {{common-name: a.example, alt-names: [no, 2027-01-31], ttl: 90d}}
    file-output: {{certificate: {{path: /a.crt, permission: 0640}}, private-key: {{path: /a.key}}}}
  - <<: *common
    attributes: {{common-name: b.example, ttl: 90d}}
    file-output: {{certificate: {{path: 1.5}}, private-key: {{path: /b.key}}}}
"""


def test_anchors_and_unquoted_scalars_are_read_as_by_the_agent(write):
    files = load(write(ANCHORS))
    assert [spec.name for spec in files.specs] == ["a.example", "b.example"]
    assert list(files.issuers) == ["infisical.shop.7"]
    first, second = files.specs
    assert [name.value for name in first.attributes.alt_names] == ["no", "2027-01-31"]
    assert first.agent["file-output"]["certificate"]["permission"] == "0640"
    assert second.agent["file-output"]["certificate"]["path"] == "1.5"
    assert {"1.yaml:2: unknown key 'x-common' is left out", "1.yaml:6: unknown key 'x-lifecycle' is left out"} <= {
        *files.notes
    }


@pytest.mark.parametrize("ttl", ["90", "1.5", "1:30", "2027-01-31", "yes"])
def test_unquoted_scalar_that_is_no_duration_names_its_text(write, ttl):
    (line,) = errors(write(TEXT.replace("ttl: 90d", f"ttl: {ttl}")))
    assert line.startswith(f"1.yaml:18: certificate 1: ttl: '{ttl}' is not a duration")


@pytest.mark.parametrize("secret", ["12345678901234567", "0123", "1.5", "2027-01-31", "yes"])
def test_unquoted_credential_is_refused(write, secret):
    (line,) = errors(write(TEXT.replace(SECRET, secret)))
    assert line.startswith("1.yaml:9: client-secret: write text")
    assert secret not in line.removeprefix("1.yaml:9: ")


@pytest.mark.parametrize(("version", "meant"), [("2", "v2"), ("1", "v1"), ("2.0", "v2"), ("V2", "v2")])
def test_version_without_its_letter_is_named(write, version, meant):
    (line,) = [line for line in errors(write(TEXT.replace("version: v2", f"version: {version}"))) if "version" in line]
    expected = f"unsupported version: {version}. Supported versions: v1, v2; write version: {meant}"
    assert line == f"1.yaml:2: {expected}"


def test_late_renewal_is_noted_at_its_line(write):
    notes = load(write(TEXT.replace("expiry: 30d", "expiry: 80d"))).notes
    assert any(note.startswith("1.yaml:19: www.example.com: renew-before-expiry 80d is more than") for note in notes)


def test_international_name_is_noted_at_its_line(write):
    notes = load(write(TEXT.replace("        - example.com", "        - bücher.example"))).notes
    assert "1.yaml:16: www.example.com: bücher.example is xn--bcher-kva.example in the certificate" in notes


def test_same_issuer_in_two_documents_is_merged(write):
    other = TEXT.replace("www.example.com", "db.example.com").replace("web.", "db.")
    files = load(write(TEXT, other))
    assert list(files.issuers) == ["infisical.shop.tls-server"]
    assert len(files.credentials) == 1
    assert [spec.name for spec in files.specs] == ["www.example.com", "db.example.com"]


def test_conflicting_issuer_names_both_places_and_the_fix(write):
    other = TEXT.replace("www.example.com", "db.example.com").replace(CLIENT_ID, IDENTITY)
    (line,) = errors(write(TEXT, other))
    assert line == (
        "2.yaml:5: issuer infisical.shop.tls-server is defined differently at 1.yaml:5; "
        "use the same auth, retry-strategy and ca-bundle in both documents: the stack needs only one identity"
    )


def test_two_secrets_of_one_client_are_refused(write):
    other = TEXT.replace("www.example.com", "db.example.com").replace(SECRET, "beefcafe" * 8)
    (line,) = errors(write(TEXT, other))
    assert line == "2.yaml: 1.yaml has different credentials for the same login; use the same credentials in both"


def test_issuer_of_an_evercert_document_is_not_shared(write):
    own = {
        "version": "evercert/v1",
        "issuers": {
            "infisical.shop.tls-server": {
                "type": "infisical",
                "address": "https://app.infisical.com",
                "auth": {"type": "aws-iam", "identity-id": IDENTITY},
            }
        },
    }
    (line,) = errors(write(own, TEXT))
    assert "there are two issuers 'infisical.shop.tls-server'; the other one is at 1.yaml:1" in line


def test_duplicate_certificate_names_both_places(write):
    (line,) = [line for line in errors(write(TEXT, TEXT)) if "there are two certificates" in line]
    assert line == "2.yaml:14: there are two certificates 'www.example.com'; the other one is at 1.yaml:14"


def with_absent_values(write):
    text = TEXT.replace(SECRET, "/run/secrets/infisical").replace(
        "    attributes:", "    csr-path: /web.csr\n    attributes:"
    )
    return write(text)


def test_values_of_another_host_are_errors_for_apply(write):
    assert errors(with_absent_values(write)) == [
        "1.yaml:9: client-secret: the value is neither a client secret nor a file on this host",
        "1.yaml:13: certificate 1: failed to read CSR file: no file '/web.csr' on this host",
    ]


def test_values_of_another_host_are_notes_for_validate(write):
    files = load(with_absent_values(write), form_only=True)
    assert {
        "1.yaml:9: client-secret: the value is neither a client secret nor a file on this host",
        "1.yaml:13: certificate 1: failed to read CSR file: no file '/web.csr' on this host",
    } <= set(files.notes)
    assert files.credentials == []


def test_files_of_this_host_are_read(write, tmp_path):
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n")
    (credential,) = load(write(TEXT.replace(SECRET, "secret.txt")), hosts.here()).credentials
    assert credential.value["client-secret"] == SECRET


@pytest.mark.parametrize("name", ["nowhere", "x" * 5_000, "a\0b", "file/below"])
def test_host_file_returns_none_for_impossible_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert hosts.here().file(name) is None


def test_host_file_has_a_size_limit():
    with pytest.raises(OSError, match="more than 65536 bytes"):
        hosts.here().file("/dev/zero")


def test_host_file_refuses_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError):
        hosts.here().file(str(tmp_path))


def test_host_environment_is_that_of_the_process():
    assert hosts.here().environment is os.environ


def test_v1_and_v2_documents_are_read_together(write):
    other = document(v1(attributes={"common-name": "db.example.com"}, file_output=outputs("db")), version="v1")
    files = load(write(document(entry()), other))
    assert set(files.issuers) == {"infisical.shop.tls-server", "infisical-project.web-team.tls-server"}


WORDS = sorted(set(re.findall(r"[a-z-]{3,}", TEXT)) | {"certificate-id", "csr", "csr-path", "name", "sinks", "chain"})
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates(), st.datetimes(),
    st.sampled_from([CLIENT_ID, "v1", "v2", "30d", "-1s", "/etc/x", "universal-auth", "aws-iam", "gcp-iam"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from(WORDS), SCALARS), inner, max_size=4)
    ),
    max_leaves=12,
)


def places(value, path=()):
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_document_yields_certificates_or_errors(data):
    """Replace parts of a valid document by arbitrary values."""
    whole = yaml.safe_load(TEXT)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([place for place in places(whole) if place]))
        parent = whole
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()) and isinstance(parent, dict):
            parent[data.draw(st.sampled_from(WORDS))] = data.draw(VALUES)
        else:
            parent[path[-1]] = data.draw(VALUES)
    found = read(whole, KINDS, host({"/etc/x": "x"}))
    problems = found.notes + found.absent if isinstance(found, Agent) else found
    assert isinstance(found, Agent) or found
    for problem in problems:
        assert problem.message.isprintable(), problem
        assert SECRET not in problem.message
        assert isinstance(problem.path, tuple)


@pytest.mark.parametrize(("written", "stored"), [("0640", "0640"), ("640", "640"), ("'640'", "640")])
def test_file_mode_keeps_the_digits_as_written(write, written, stored):
    (spec,) = load(write(TEXT.replace("0644", written))).specs
    assert spec.agent["file-output"]["certificate"]["permission"] == stored


@pytest.mark.parametrize("mode", ["689", "0x1A0", "6_40", "0b110"])
def test_invalid_file_mode_is_noted(write, mode):
    files = load(write(TEXT.replace("0644", mode)))
    assert [note for note in files.notes if f"permission is left out: {mode!r} is not a file mode" in note]
    assert files.specs[0].agent["file-output"]["certificate"] == {"path": "/etc/ssl/web.crt"}


def test_missing_variables_are_notes_for_validate(write):
    text = re.sub(r"config:\n.*\n.*\n", "config: {}\n", TEXT)
    absent = "missing key 'client-secret': add it, or set INFISICAL_UNIVERSAL_CLIENT_SECRET"
    assert [note for note in load(write(text), form_only=True).notes if note.endswith(absent)]
    assert [line for line in errors(write(text)) if line.endswith(absent)]
