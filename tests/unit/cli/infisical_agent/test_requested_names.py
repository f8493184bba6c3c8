"""Names of agent documents that Infisical takes and no client would: corrected with a note."""

import pytest

from tests.samples.agent_documents import document, entry, notes, only_spec, refused, request

LONG = f"{'a' * 40}.{'b' * 20}.example.com"


def attributes(**values):
    return document(entry(name="web", attributes={key.replace("_", "-"): value for key, value in values.items()}))


def problems(data):
    return [message for _, message in refused(data)]


@pytest.mark.parametrize(
    ("written", "sent", "told"),
    [
        ("www.example.com.", "www.example.com", "ends with a dot: www.example.com is requested"),
        ("www.example.com:8443", "www.example.com", "has a port (8443): www.example.com is requested"),
        ("https://www.example.com/a", "www.example.com", "is a URL, not a host: www.example.com is requested"),
        ("DNS:www.example.com", "www.example.com", "has the prefix 'DNS:': www.example.com is requested"),
        (" www.example.com ", "www.example.com", "has spaces around it: www.example.com is requested"),
        ("Payroll service ", "Payroll service", "has spaces around it: Payroll service is requested"),
    ],
)
def test_common_name_is_corrected_with_a_note(written, sent, told):
    data = attributes(common_name=written, alt_names=["pay.example"])
    assert only_spec(data)["attributes"]["common-name"] == sent
    assert any(note.startswith("certificate 1: ") and told in note for note in notes(data))


def test_long_common_name_becomes_an_alternative_name():
    data = attributes(common_name=LONG)
    assert only_spec(data)["attributes"] == {"alt-names": [f"dns:{LONG}"]}
    assert any("is requested as an alternative name" in note for note in notes(data))


@pytest.mark.parametrize("written", ["*.local", "10.0.0.0/24", "a.example, b.example", "x" * 65, f"{'a' * 70}.example"])
def test_common_name_that_no_client_reads_is_left_out(written):
    data = attributes(common_name=written, alt_names=["pay.example"])
    assert only_spec(data)["attributes"] == {"alt-names": ["dns:pay.example"]}
    assert any("common-name is left out: " in note for note in notes(data))
    assert any("common-name: " in problem for problem in problems(attributes(common_name=written)))


def test_common_name_with_a_placeholder_is_refused():
    data = attributes(common_name="${HOST}", alt_names=["pay.example"])
    assert any("was the document rendered?" in problem for problem in problems(data))


@pytest.mark.parametrize(
    ("written", "sent", "told"),
    [
        ("a.example:8443", ["a.example"], "has a port (8443): a.example is requested"),
        ("DNS:a.example", ["a.example"], "has the prefix 'DNS:': a.example is requested"),
        ("mailto:ops@a.example", ["email:ops@a.example"], "is a URL (mailto:), not an e-mail address: ops@a.example"),
        (" a.example", ["a.example"], "has spaces around it: a.example is requested"),
        ("a.example, b.example", ["a.example", "b.example"], "is read as several names"),
        ("*.local", [], "*.local is left out: it has a wildcard for a whole top-level domain"),
    ],
)
def test_alternative_name_is_corrected_with_a_note(written, sent, told):
    data = attributes(common_name="www.example.com", alt_names=["first.example", written, "last.example"])
    wanted = [name if ":" in name else f"dns:{name}" for name in ["first.example", *sent, "last.example"]]
    assert only_spec(data)["attributes"]["alt-names"] == wanted
    assert any(note.startswith("certificate 1: ") and told in note for note in notes(data))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("www.example.com.", "it ends with a dot; write www.example.com"),
        ("192.0.2.1:443", "it has a port (443); write 192.0.2.1"),
        ("[2001:db8::1]", "it has brackets; write 2001:db8::1"),
        ("10.0.0.0/24", "it is a network (CIDR)"),
        ("IP Address:192.0.2.1", "it has the prefix 'IP Address:'"),
        ("${HOST}", "it has a placeholder; was the document rendered?"),
    ],
)
def test_alternative_name_that_infisical_refuses_is_refused(written, told):
    """`validator.isFQDN`, which Infisical uses, accepts no final dot."""
    assert any(told in problem for problem in problems(attributes(common_name="a.example", alt_names=[written])))


def test_only_name_is_refused_instead_of_left_out():
    assert any("'*.local' is not a DNS name" in problem for problem in problems(attributes(alt_names=["*.local"])))
    data = attributes(common_name="Payroll service", alt_names=["*.local"])
    assert any("'*.local' is not a DNS name" in problem for problem in problems(data))


def test_problem_of_a_later_name_keeps_its_place():
    ((path, message),) = refused(attributes(alt_names=["a.example, b.example", "*.local", "bad..example"]))
    assert "bad..example" in message and path == ("certificates", 0, "attributes", "alt-names", 2)


def test_names_of_a_csr_are_not_corrected():
    """The CSR determines the names; these attributes are ignored with a note."""
    data = document(entry(csr=request(cn="a.example"), attributes={"alt-names": ["b.example:8443"]}, lifecycle=None))
    assert not any("is requested" in note for note in notes(data))
