"""Tests of the rule for the common name: hosts, mistakes that look like hosts, other text, answers."""

import pytest

from evercert.pki import common_name
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import parse


@pytest.mark.parametrize(
    "value",
    [
        "www.example.com",
        "*.example.com",
        "localhost",
        "192.0.2.1",
        "2001:db8::1",
        "a_b.example",
        "xn--bcher-kva.example",
    ],
)
def test_host_of_common_name(value):
    assert common_name.checked(value) == value
    assert common_name.host_of(value) == parse(value)


@pytest.mark.parametrize(
    "value",
    [
        "Payroll service", "Dr. Müller", "Bücher & Co. KG", "Amazon.com Inc.", "St. Gallen", "Example Ltd., Berlin",
        "system:node:ip-10-0-0-1.eu-central-1.compute.internal", "system:kube-scheduler", "HTTP/www.example.com",
        "SN 0815-4711", "v1.2.3", "Release 1.2", "AC/DC", "HOST$", "100 % Bio", "A/Ö.B", "C++", "a, b", "//x",
    ],
)  # fmt: skip
def test_checked_keeps_other_text(value):
    assert common_name.checked(value) == value
    assert common_name.host_of(value) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("www.example.com.", "ends with a dot; write www.example.com"),
        (".example.com", "begins with a dot; write example.com, or *.example.com"),
        ("localhost.", "ends with a dot; write localhost"),
        ("www.example.com:8443", "has a port (8443); write www.example.com"),
        ("localhost:8080", "has a port (8080); write localhost"),
        ("192.0.2.1:443", "has a port (443); write 192.0.2.1"),
        ("[2001:db8::1]", "has brackets; write 2001:db8::1"),
        ("[2001:db8::1]:443", "has brackets and a port; write 2001:db8::1"),
        ("https://www.example.com", "is a URL, not a host; write www.example.com"),
        ("HTTPS://www.example.com/", "is a URL"),
        ("ldap://www.example.com", "is a URL"),
        ("www.example.com/", "has a path; write www.example.com"),
        ("www.example.com/login", "has a path; write www.example.com"),
        ("10.0.0.0/24", "is a network (CIDR), not an address; write each address"),
        ("fe80::1%eth0", "has a zone"),
        ("${DOMAIN}", "has a placeholder; was the document rendered?"),
        ("www.${DOMAIN}", "has a placeholder"),
        ("$DOMAIN", "has a placeholder"),
        ("$(hostname)", "has a placeholder"),
        ("{{ .Values.host }}", "has a placeholder"),
        ("<your-domain>", "has a placeholder"),
        ("%DOMAIN%", "has a placeholder"),
        ("www.*.example.com", "has a wildcard that is not the whole first label"),
        ("w*.example.com", "has a wildcard"),
        ("*.com", "has a wildcard for a whole top-level domain"),
        ("*", "has a wildcard"),
        ("*.*.example.com", "has a wildcard"),
        ("//www.example.com", "is a URL, not a host; write www.example.com"),
        ("DNS:www.example.com", "has the prefix 'DNS:'; write www.example.com"),
        ("dns:www.example.com", "has the prefix 'dns:'; write www.example.com"),
        ("CN=www.example.com", "has the prefix 'CN='; write www.example.com"),
        ("IP Address:192.0.2.1", "has the prefix 'IP Address:'; write 192.0.2.1"),
        ("my host.example.com", "has a space or a list"),
        ("www .example.com", "has a space or a list"),
        ("www. example.com", "has a space or a list"),
        (
            "a.example.com, b.example.com",
            "is a list of names; leave the common name out, and write in alt-names: a.example.com, b.example.com",
        ),
        (
            "a.example.com;b.example.com",
            "is a list of names; leave the common name out, and write in alt-names: a.example.com, b.example.com",
        ),
        (" www.example.com", "remove the spaces around it"),
        ("my+host.example.com", "is not a valid one"),
        ("www..example.com", "is not a valid one"),
        ("-www.example.com", "is not a valid one"),
        ("192.0.2.300", "is not a valid one"),
        ("☃.example", "is not a valid international name"),
        ("a" * 50 + ".example.com.invalid", "write a longer host in alt-names"),
    ],
)
def test_checked_refuses_mistakes(value, why):
    with pytest.raises(ValueError) as caught:
        common_name.checked(value)
    assert why in str(caught.value)
    with pytest.raises(ValueError, match=r"alt-names|common name|international"):
        Attributes.model_validate({"common-name": value, "alt-names": ["example.com"]})


NAMES = [parse("a.example.com"), parse("b.example.com")]


@pytest.mark.parametrize(
    ("found", "requested"),
    [
        ([], "a.example.com"), (["a.example.com"], "a.example.com"), (["A.Example.com"], "a.example.com"),
        ([], None), (["b.example.com"], None), (["Payroll  Service"], "payroll service"),
        (["Mu\u0308ller"], "Müller"), (["2001:db8::1"], "2001:DB8:0:0::1"), (["bücher.example"], "xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_answer_has_the_requested_common_name_or_none(found, requested):
    assert common_name.mismatches(found, requested, NAMES) == []


@pytest.mark.parametrize(
    ("found", "requested"),
    [
        (["evil.org"], "a.example.com"), (["b.example.com"], "a.example.com"), (["evil.org"], None),
        (["a.example.com\0.evil.org"], "a.example.com"), (["a.example.com", "a.example.com"], "a.example.com"),
        (["a.example.com", "evil.org"], None), ([""], "a.example.com"), (["\x1b[2J" * 90], None),
    ],
)  # fmt: skip
def test_answer_has_no_other_common_name(found, requested):
    (problem,) = common_name.mismatches(found, requested, NAMES)
    assert "common name" in problem and problem.isprintable() and len(problem) < 200


@pytest.mark.parametrize(
    "text",
    [
        "(www.example.com)", "[www.example.com]", "{www.example.com}", "www.example.com?x=1", "www.example.com#a",
        "www.example.com&", "www.example.com\\", "www.example.com!", "www.example.com:", "www.example.com:8443:",
        "www.example,com", "www example com", "www.example.com (prod)", "www.example.com - prod", "https:www.example.com",
        "host:www.example.com", "CN=www.example.com,O=Acme", "/O=Acme/CN=www.example.com", "2001:db8::g", "1::2::3",
        "*.1.2.3.4", "1.2.3.4.5", "192,0,2,1", "www.example.123", "user@@example.com", "user:pass@host", "@example.com",
    ],
)  # fmt: skip
def test_checked_refuses_text_around_a_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"write |alt-names"):
        common_name.checked(text)
    assert common_name.problem(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(www.example.com)", "has brackets; write www.example.com"),
        ("www.example.com (prod)", "has other text beside the name; write www.example.com alone"),
        ("www.example.com?x=1", "has a query or a fragment; write www.example.com"),
        ("010.0.0.1", "write 10.0.0.1 if the numbers are decimal"),
        ("*.192.0.2.1", "has a wildcard in an IP address"),
        ("192.0.2.4-9", "is a range of addresses; write each address"),
        ("web[1-3].example.com", "is a pattern for several names; write each name as one item of alt-names"),
        ("CN=www.example.com,O=Example", "is a distinguished name, not a host; write www.example.com"),
        ("“www.example.com”", "has quotes in the value; write www.example.com"),
        ("Ops <ops@example.com>", "has angle brackets; leave the common name out, and write in alt-names: ops@example.com"),
        ("www\u00a0.example.com", "1 to 64 printable characters; remove U+00A0"),
    ],
)  # fmt: skip
def test_checked_names_the_mistake_and_the_remedy(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        common_name.checked(text)
    assert told in str(caught.value)


def test_checked_recommends_valid_names_only() -> None:
    with pytest.raises(ValueError, match="angle brackets; write the host alone"):
        common_name.checked("Ops <a..b@example.com>")


@pytest.mark.parametrize(
    "text",
    [
        "host/www.example.com", "HTTP/www.example.com@EXAMPLE.COM", "WEB$@EXAMPLE.COM", "example.com (prod)",
        "Amazon.com (Germany)", "(prod)", "[lab]", "?x", "/www/", "O=Example", "urn:uuid:0", "device [1-9]",
    ],
)  # fmt: skip
def test_checked_keeps_text_that_names_something_else(text: str) -> None:
    assert common_name.checked(text) == text
    with pytest.raises(ValueError, match="give at least one name"):
        Attributes.model_validate({"common-name": text})


@pytest.mark.parametrize(
    "text",
    [
        "@HOST@",
        "#{host}",
        "{host}",
        "%(host)s",
        "[% host %]",
        "((host))",
        "__HOST__",
        "CHANGE_ME.example.com",
        "YOUR_DOMAIN",
    ],
)
def test_checked_refuses_placeholders(text: str) -> None:
    with pytest.raises(ValueError, match="was the document rendered"):
        common_name.checked(text)


@pytest.mark.parametrize(
    "text",
    [
        "Node.js service", "Dr. No", "Example Ltd., Berlin", "John Q. Public", "U.S.A. office", "App 1.2.3", "device (lab 2)",
        "system:node:web-1.example.internal", "HTTP/www.example.com", "user@example.com", "1.2.3", "R&D",
    ],
)  # fmt: skip
def test_checked_keeps_text_without_a_host(text: str) -> None:
    assert common_name.checked(text) == text
    assert common_name.problem(text) is None


def test_checked_hides_the_password_of_a_url() -> None:
    with pytest.raises(ValueError, match="is a URL") as caught:
        common_name.checked("https://user:s3cret@www.example.com/")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["admin:hunter2@www.example.com (x)", "https://admin:hunter2@www.example.com/", "x admin:hunter2@www.example.com"],
)
def test_checked_masks_passwords_in_its_advice(value):
    with pytest.raises(ValueError) as caught:
        common_name.checked(value)
    assert "hunter2" not in str(caught.value)
