"""Files of a command: read together, and each mistake on one line with its file and line."""

import json

import pytest

from evercert.cli.files import BadInput, Files

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


def test_reads_several_files_as_one_wish(write):
    files = Files(
        write(f"{HEAD}{ISSUER}", document(certificate("web")), document(certificate("mail"), certificate("db")))
    )
    assert list(files.issuers) == ["development"]
    assert [spec.name for spec in files.specs] == ["web", "mail", "db"]
    assert files.notes == []
    wanted = files.wanted({"team": "web"})
    assert [spec.name for spec in wanted.specs] == ["web", "mail", "db"]


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
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
            "1.yaml:8: alt-names[1]: an empty dns name",
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
def test_a_mistake_is_one_line_with_file_and_line(write, right, wrong, told):
    (line,) = mistakes(write(document(certificate()).replace(right, wrong)))
    assert line.startswith(told)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_document_of_the_agent_is_read_as_one(write, version):
    agent = f"# agent\nversion: {version}\ninfisical:\n  address: https://app.infisical.com\ncertificates:\n  - {{lifecycle: 5}}\n"
    assert "1.yaml:6: certificate 1: lifecycle: write a mapping" in mistakes(write(agent))


def test_too_late_a_renewal_is_told_in_the_certificate_that_has_it(write):
    (line,) = mistakes(write(document(certificate("mail"), certificate(renew="91d"))))
    number = int(line.split(":")[1])
    assert 13 <= number <= 22
    assert "lifecycle.renew-before-expiry (91d) must be shorter than attributes.ttl" in line


def test_a_secret_that_would_be_too_large_is_told_at_its_destination(write):
    names = ", ".join(f"host-{number}.example.com" for number in range(3_000))
    (line,) = mistakes(write(document(certificate()).replace("ttl: 90d", f"alt-names: [{names}]")))
    assert line.startswith("1.yaml:11: its 3001 names make a secret of about")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "1.yaml:1: is empty", id="empty"),
        pytest.param(b"\xff\xfe", "1.yaml: is not UTF-8 text", id="not UTF-8"),
        pytest.param("a: [", "1.yaml:1: is not YAML", id="not YAML"),
        pytest.param("- a\n", "1.yaml:1: a document is a mapping with version: evercert/v1", id="list"),
        pytest.param("a: &a [*a]", "1.yaml:1: holds itself, by an alias", id="holds itself"),
        pytest.param(f"{HEAD}\nversion: v1\n", "1.yaml:3: has the key 'version' twice", id="key twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_name(write, text, told):
    (line,) = mistakes(write(text))
    assert line.startswith(told)


def test_a_file_that_is_not_there_is_told(write):
    assert mistakes(["nowhere.yaml"]) == ["nowhere.yaml: cannot be read: No such file or directory"]


def test_mistakes_of_all_files_are_told_in_the_order_of_their_lines(write):
    twice = document(certificate(renew="soon")).replace("common-name", "comon-name")
    assert [line.split(" ")[0] for line in mistakes(write(twice, "", document(certificate("x y", secret="s"))))] == [
        "1.yaml:6:",
        "1.yaml:9:",
        "2.yaml:1:",
        "3.yaml:3:",
    ]


def test_two_certificates_of_one_name_in_one_file_are_told_with_both_places(write):
    told = mistakes(write(document(certificate(secret="a"), certificate(secret="b"))))
    assert told == ["1.yaml:13: there are two certificates 'web'; the other one is at 1.yaml:3"]


def test_two_certificates_of_one_name_in_two_files_are_told_with_both_places(write):
    told = mistakes(write(document(certificate(secret="a")), document(certificate("mail"), certificate(secret="b"))))
    assert told == ["2.yaml:13: there are two certificates 'web'; the other one is at 1.yaml:3"]


def test_two_certificates_of_one_name_on_one_line_are_told(write):
    one = {
        "name": "web",
        "issuer": "development",
        "attributes": {"common-name": "www.example.com"},
        "destinations": [{"type": "secrets-manager", "secret": "a"}],
    }
    other = one | {"destinations": [{"type": "secrets-manager", "secret": "b"}]}
    (line,) = mistakes(write(json.dumps({"version": "evercert/v1", "certificates": [one, other]})))
    assert line == "1.yaml:1: there are two certificates 'web'; the other one is at 1.yaml:1"


def test_two_certificates_that_write_one_secret_are_told_with_both_places(write):
    told = mistakes(write(document(certificate("web", secret="s")), document(certificate("mail", secret="s"))))
    assert told == ["2.yaml:11: secret s is written by two certificates; the other one is at 1.yaml:11"]


def test_two_certificates_that_write_one_secret_on_one_line_are_told(write):
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
    assert line.startswith("1.yaml:1: secret s is written by two certificates")


def test_two_names_that_become_one_secret_are_told(write):
    alike = [
        certificate(name, secret="x").replace("        secret: x\n", "")
        for name in ("'*.example.com'", "_wildcard.example.com")
    ]
    (line,) = mistakes(write(document(*alike)))
    assert "secret evercert/certificates/_wildcard.example.com is written by two certificates" in line


def test_an_issuer_defined_in_two_files_is_told_with_both_places(write):
    told = mistakes(write(f"{HEAD}{ISSUER}", f"{HEAD}\n{ISSUER}"))
    assert told == ["2.yaml:4: there are two issuers 'development'; the other one is at 1.yaml:3"]


def test_a_file_named_twice_asks_for_its_certificates_once_or_is_refused(write):
    (file,) = write(document(certificate()))
    try:
        names = [spec.name for spec in Files([file, file]).specs]
    except BadInput:
        return
    assert names == ["web"]


def test_notes_where_a_wildcard_is_stored(write):
    text = document(certificate("'*.example.com'", secret="x").replace("        secret: x\n", ""))
    assert Files(write(text)).notes == ["*.example.com is stored in secret evercert/certificates/_wildcard.example.com"]


def test_notes_international_names_as_they_stand_in_the_certificate(write):
    names = 'ttl: 90d\n      alt-names:\n      - plain.example\n      - "*.Bücher.example"\n      - dns:straße.example\n      - ops@ö.example'
    text = certificate(host="bücher.example").replace("ttl: 90d", names)
    assert Files(write(document(text))).notes == [
        "1.yaml:6: web: bücher.example is xn--bcher-kva.example in the certificate",
        "1.yaml:10: web: *.Bücher.example is *.xn--bcher-kva.example in the certificate",
        "1.yaml:11: web: straße.example is xn--strae-oqa.example in the certificate",
        "1.yaml:12: web: ops@ö.example is ops@xn--nda.example in the certificate",
    ]


@pytest.mark.parametrize("host", ["Müller & Söhne", "Müller"])
def test_says_nothing_of_a_common_name_that_stays_as_it_is(write, host):
    text = certificate(host=host).replace("ttl: 90d", "alt-names: [xn--bcher-kva.example]")
    assert Files(write(document(text))).notes == []


def test_notes_a_renewal_that_will_be_clamped(write):
    (note,) = Files(write(document(certificate(renew="70%")))).notes
    assert note.startswith("1.yaml:8: web: renew-before-expiry 70% is more than two thirds of the lifetime")
    assert Files(write(document(certificate(renew="60d")))).notes == []


@pytest.mark.parametrize(("renew", "notes"), [("60d", 0), ("61d", 1)])
def test_a_certificate_without_ttl_is_judged_as_one_of_90_days(write, renew, notes):
    assert len(Files(write(document(certificate(renew=renew).replace("      ttl: 90d\n", "")))).notes) == notes


def test_a_clamped_renewal_is_judged_by_the_ttl_where_there_is_one(write):
    text = certificate(renew="70d").replace("ttl: 90d", "ttl: 200d")
    assert Files(write(document(text))).notes == []
