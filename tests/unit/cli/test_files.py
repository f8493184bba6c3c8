"""Document files of one command: read together, one line per mistake."""

import json
from pathlib import Path

import pytest

from evercert.cli.files import BadInput, Files
from tests.samples import requests

HEAD = "version: evercert/v1\n"
ISSUER = "issuers:\n  development:\n    type: self-signed\n"
CERTIFICATE = """\
  - name: {name}
    issuer: development
    attributes:
      common-name: {host}
      ttl: 90d
    lifecycle:
      renew-before-expiry: {renew}
    destinations:
      - type: secrets-manager
        secret: {secret}
"""


def certificate(name="web", host="www.example.com", renew="30d", secret=None):
    return CERTIFICATE.format(name=name, host=host, renew=renew, secret=secret or f"secret-of-{name}")


def document(*certificates, issuers=""):
    return f"{HEAD}{issuers}certificates:\n{''.join(certificates)}"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def to_files(*texts):
        names = [f"{number}.yaml" for number, _ in enumerate(texts, 1)]
        for name, text in zip(names, texts, strict=True):
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return names

    return to_files


def mistakes(files):
    with pytest.raises(BadInput) as caught:
        Files(files)
    assert str(caught.value) == "\n".join(caught.value.lines)
    return caught.value.lines


def test_files_are_read_as_one_document(write):
    files = Files(
        write(f"{HEAD}{ISSUER}", document(certificate("web")), document(certificate("mail"), certificate("db")))
    )
    assert list(files.issuers) == ["development"]
    assert [spec.name for spec in files.specs] == ["web", "mail", "db"]
    assert files.notes == []
    wanted = files.wanted({"team": "web"})
    assert [spec.name for spec in wanted.specs] == ["web", "mail", "db"]


@pytest.mark.parametrize(
    ("valid", "invalid", "message"),
    [
        pytest.param(
            "common-name", "comon-name", "1.yaml:6: unknown key 'comon-name'; did you mean 'common-name'?", id="key"
        ),
        pytest.param("ttl: 90d", "ttl: 90", "1.yaml:7: ttl: not a duration: a duration is a whole number", id="type"),
        pytest.param("ttl: 90d", "ttl: 3mo", "1.yaml:7: ttl: '3mo' is not a duration: a duration is", id="duration"),
        pytest.param("name: web", "name: we/b", "1.yaml:3: name: 'we/b': a name has 1 to 200 letters", id="name"),
        pytest.param(
            "ttl: 90d",
            'alt-names: [a.example,\n        ""]',
            "1.yaml:8: alt-names[1]: empty dns name",
            id="empty name",
        ),
        pytest.param(
            "ttl: 90d",
            'alt-names:\n      - "ip:1.2"',
            "1.yaml:8: alt-names[0]: '1.2' does not appear to be an",
            id="malformed name",
        ),
        pytest.param(
            "type: secrets-manager",
            "type: secret-manager",
            "1.yaml:11: there is no destination type 'secret-manager'",
            id="kind",
        ),
        pytest.param("secret: secret-of-web", "secret: a b", "1.yaml:12: secret: ", id="setting"),
        pytest.param(
            "issuer: development", "labels: {a: b}", "1.yaml:3: the key 'issuer' is missing", id="missing key"
        ),
        pytest.param(
            "version: evercert/v1", "version: v3", "1.yaml:1: version: Input should be 'evercert/v1'", id="version"
        ),
    ],
)
def test_files_report_each_mistake_with_file_and_line(write, valid, invalid, message):
    (line,) = mistakes(write(document(certificate()).replace(valid, invalid)))
    assert line.startswith(message)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_files_detect_agent_documents(write, version):
    agent = f"# agent\nversion: {version}\ninfisical:\n  address: https://app.infisical.com\ncertificates:\n  - {{lifecycle: 5}}\n"
    assert "1.yaml:6: certificate 1: lifecycle: write a mapping" in mistakes(write(agent))


def test_files_locate_a_late_renewal_at_its_certificate(write):
    (line,) = mistakes(write(document(certificate("mail"), certificate(renew="91d"))))
    number = int(line.split(":")[1])
    assert 13 <= number <= 22
    assert "lifecycle.renew-before-expiry (91d) must be shorter than attributes.ttl" in line


def test_files_locate_an_oversized_secret_at_its_destination(write):
    names = ", ".join(f"host-{number}.example.com" for number in range(2_000))
    (line,) = mistakes(write(document(certificate()).replace("ttl: 90d", f"alt-names: [{names}]")))
    assert line.startswith("1.yaml:11: too many names (2001): the secret would have about")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "1.yaml:1: is empty", id="empty"),
        pytest.param(b"\xff\xfe", "1.yaml: is not UTF-8 text", id="not UTF-8"),
        pytest.param("a: [", "1.yaml:2: is not YAML", id="not YAML"),
        pytest.param("- a\n", "1.yaml:1: a document must be a mapping with version: evercert/v1", id="list"),
        pytest.param(
            "a: &a [*a]", "1.yaml:1: contains itself through an alias; remove the alias", id="recursive alias"
        ),
        pytest.param(f"{HEAD}\nversion: v1\n", "1.yaml:3: has the key 'version' twice", id="key twice"),
    ],
)
def test_files_name_an_unparsable_file(write, text, message):
    (line,) = mistakes(write(text))
    assert line.startswith(message)


def test_files_name_a_missing_file(write):
    assert mistakes(["nowhere.yaml"]) == ["nowhere.yaml: cannot be read: No such file or directory"]


def test_files_sort_mistakes_by_file_and_line(write):
    twice = document(certificate(renew="soon")).replace("common-name", "comon-name")
    assert [line.split(" ")[0] for line in mistakes(write(twice, "", document(certificate("x y", secret="s"))))] == [
        "1.yaml:6:",
        "1.yaml:9:",
        "2.yaml:1:",
        "3.yaml:3:",
    ]


def test_files_refuse_a_repeated_name_in_one_file(write):
    lines = mistakes(write(document(certificate(secret="a"), certificate(secret="b"))))
    assert lines == ["1.yaml:13: there are two certificates 'web'; the other one is at 1.yaml:3"]


def test_files_refuse_a_repeated_name_in_two_files(write):
    lines = mistakes(write(document(certificate(secret="a")), document(certificate("mail"), certificate(secret="b"))))
    assert lines == ["2.yaml:13: there are two certificates 'web'; the other one is at 1.yaml:3"]


def test_files_refuse_a_repeated_name_on_one_line(write):
    one = {
        "name": "web",
        "issuer": "development",
        "attributes": {"common-name": "www.example.com"},
        "destinations": [{"type": "secrets-manager", "secret": "a"}],
    }
    other = one | {"destinations": [{"type": "secrets-manager", "secret": "b"}]}
    (line,) = mistakes(write(json.dumps({"version": "evercert/v1", "certificates": [one, other]})))
    assert line == "1.yaml:1: there are two certificates 'web'; the other one is at 1.yaml:1"


def test_files_refuse_a_shared_secret(write):
    lines = mistakes(write(document(certificate("web", secret="s")), document(certificate("mail", secret="s"))))
    assert lines == ["2.yaml:11: two certificates write secret s; the other one is at 1.yaml:11"]


def test_files_refuse_a_shared_secret_on_one_line(write):
    both = [
        {
            "name": name,
            "issuer": "development",
            "attributes": {"common-name": "www.example.com"},
            "destinations": [{"type": "secrets-manager", "secret": "s"}],
        }
        for name in ("web", "mail")
    ]
    (line,) = mistakes(write(json.dumps({"version": "evercert/v1", "certificates": both})))
    assert line.startswith("1.yaml:1: two certificates write secret s")


def test_files_refuse_names_that_map_to_one_secret(write):
    alike = [
        certificate(name, secret="x").replace("        secret: x\n", "")
        for name in ("'*.example.com'", "_wildcard.example.com")
    ]
    (line,) = mistakes(write(document(*alike)))
    assert "two certificates write secret evercert/certificates/_wildcard.example.com" in line


def test_files_refuse_a_repeated_issuer(write):
    lines = mistakes(write(f"{HEAD}{ISSUER}", f"{HEAD}\n{ISSUER}"))
    assert lines == ["2.yaml:4: there are two issuers 'development'; the other one is at 1.yaml:3"]


def test_files_read_a_repeated_file_once(write):
    (file,) = write(document(certificate()))
    try:
        names = [spec.name for spec in Files([file, file]).specs]
    except BadInput:
        return
    assert names == ["web"]


def test_files_note_where_a_wildcard_is_stored(write):
    text = document(certificate("'*.example.com'", secret="x").replace("        secret: x\n", ""))
    assert Files(write(text)).notes == ["*.example.com is stored in secret evercert/certificates/_wildcard.example.com"]


def test_files_note_web_addresses_among_alt_names(write):
    names = '"https://www.example.com:8443/a", "uri:https://b.example"'
    text = document(certificate()).replace("      ttl: 90d\n", f"      alt-names: [{names}]\n").replace("30d", "33%")
    expected = [
        "1.yaml:7: web: https://www.example.com:8443/a is requested as a URI; for the host write www.example.com"
    ]
    assert Files(write(text)).notes == expected


def test_files_note_encoded_international_names(write):
    names = 'ttl: 90d\n      alt-names:\n      - plain.example\n      - "*.Bücher.example"\n      - dns:straße.example\n      - ops@ö.example'
    text = certificate(host="bücher.example").replace("ttl: 90d", names)
    assert Files(write(document(text))).notes == [
        "1.yaml:6: web: bücher.example is xn--bcher-kva.example in the certificate",
        "1.yaml:10: web: *.Bücher.example is *.xn--bcher-kva.example in the certificate",
        "1.yaml:11: web: straße.example is xn--strae-oqa.example in the certificate",
        "1.yaml:12: web: ops@ö.example is ops@xn--nda.example in the certificate",
    ]


@pytest.mark.parametrize("host", ["Müller & Söhne", "Müller"])
def test_files_have_no_note_for_an_unencoded_common_name(write, host):
    text = certificate(host=host).replace("ttl: 90d", "alt-names: [xn--bcher-kva.example]")
    assert Files(write(document(text))).notes == []


def test_files_note_a_clamped_renewal(write):
    (note,) = Files(write(document(certificate(renew="70%")))).notes
    assert note.startswith("1.yaml:8: web: renew-before-expiry 70% is more than two thirds of the lifetime")
    assert Files(write(document(certificate(renew="60d")))).notes == []


@pytest.mark.parametrize(("renew", "notes"), [("60d", 0), ("61d", 1)])
def test_files_assume_90_days_without_a_ttl(write, renew, notes):
    assert len(Files(write(document(certificate(renew=renew).replace("      ttl: 90d\n", "")))).notes) == notes


def test_files_use_the_ttl_for_the_clamping_note(write):
    text = certificate(renew="70d").replace("ttl: 90d", "ttl: 200d")
    assert Files(write(document(text))).notes == []


def test_files_note_ocsp_responders(write):
    text = certificate().replace("      ttl: 90d", "      ttl: 90d\n      extended-key-usages: [ocsp-signing]")
    (note,) = Files(write(document(text))).notes
    assert note.startswith("1.yaml:5: web: ocsp_signing makes an OCSP responder")
    assert "(RFC 6960 §4.2.2.2)" in note


def test_files_note_parts_of_a_csr_that_the_issuer_judges(write):
    subject = requests.name([(requests.EMAIL, requests.IA5, b"ops@example.com")])
    lines = "".join(f"      {line}\n" for line in requests.request(subject).splitlines())
    entry = (
        f"  - name: web\n    issuer: development\n    csr: |\n{lines}    destinations: [{{type: secrets-manager}}]\n"
    )
    files = Files(write(document(entry)))
    (note,) = files.notes
    assert note.startswith(
        "1.yaml:5: web: csr: its subject has emailAddress (1.2.840.113549.1.9.1): sent to the issuer"
    )


def test_files_reads_two_thousand_certificates(tmp_path):
    certificate = """- name: web-{0}
  issuer: main
  attributes: {{common-name: web-{0}.example.com, alt-names: [web-{0}.example.com, www-{0}.example.com], ttl: 90d}}
  private-key: {{algorithm: EC_prime256v1}}
  lifecycle: {{renew-before-expiry: 30d}}
  destinations: [{{type: secrets-manager, secret: evercert/certificates/web-{0}}}]
  labels: {{env: prod, team: web}}
"""
    file = tmp_path / "many.yaml"
    head = "version: evercert/v1\nissuers: {main: {type: self-signed}}\ncertificates:\n"
    file.write_text(head + "".join(certificate.format(number) for number in range(2_000)))
    assert len(Files([str(file)]).specs) == 2_000


OWN = """
version: v1
issuers: {main: {type: self-signed}}
certificates:
  - name: web
    issuer: main
    attributes: {common-name: www.example.com}
    destinations: [{type: secrets-manager}]
"""


@pytest.mark.parametrize("without", ["", "issuers: {main: {type: self-signed}}"], ids=["whole", "no-issuers"])
def test_own_document_with_the_version_of_the_agent(tmp_path: Path, without: str) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(OWN.replace(without, "") if without else OWN)
    with pytest.raises(BadInput) as refused:
        Files([str(file)])
    assert refused.value.lines == [
        f"{file}:2: invalid version: the document has the keys of evercert; did you mean version: evercert/v1?"
    ]


def test_validate_notes_an_issuer_of_the_stack(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(OWN.replace("v1", "evercert/v1", 1).replace("issuer: main", "issuer: other"))
    assert Files([str(file)], form_only=True).notes == [
        "web: issuer 'other' is in none of the files; `apply` looks for it in the stack"
    ]
    assert Files([str(file)]).notes == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("rsa2048", "'RSA_2048'"),
        ("RSA-4096", "'RSA_4096'"),
        ("ed25519", "'Ed25519'"),
        ("secp384r1", "'EC_secp384r1'"),
        ("dsa", None),
    ],
)
def test_similar_word_is_suggested(tmp_path: Path, written: str, meant: str | None) -> None:
    file = tmp_path / "web.yaml"
    key = f"private-key: {{algorithm: {written}}}\n    attributes:"
    file.write_text(OWN.replace("v1", "evercert/v1", 1).replace("attributes:", key))
    with pytest.raises(BadInput) as refused:
        Files([str(file)])
    (line,) = refused.value.lines
    assert line.endswith(f"; did you mean {meant}?") if meant else "did you mean" not in line
