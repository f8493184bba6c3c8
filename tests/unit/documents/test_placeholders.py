"""Text that a template or a shell should have replaced."""

import pytest

from evercert.documents.placeholders import is_unrendered

STRICT, FREE = ("client-secret", "client-id", "identity-id", "token", "service-account-token"), ("password", "username")


@pytest.mark.parametrize(
    "text",
    [
        "${A}",
        "x${A}y",
        "$A",
        "$(cat a)",
        "{{ a }}",
        "{{a}}{{b}}",
        "{% a %}",
        "<a>",
        "<your secret>",
        "A=b",
        "export A=b",
        "%A%",
        "#{A}",
        "@{A}",
        "{{A}}",
        "((a))",
        "[[a]]",
        "[% a %]",
        "{NAME}",
        "%(a)s",
        "@A@",
        "__A__",
        "__CLIENT_SECRET_HERE__",
        "$env:A",
        "$$A",
        '"$A"',
        "[REDACTED_SECRET]",
        "changeme",
        "change-me",
        "****************",
        "xxxxxxxxxxxxxxxx",
        "CLIENT_SECRET:a",
        "client-secret=a",
        "client-secret: a",
        '{"clientSecret":"a"}',
        "Bearer a",
        "op://vault/item",
        "!Ref A",
        "<SECRET",
        "set A=b",
        "--client-secret=a",
    ],
)
@pytest.mark.parametrize("key", STRICT)
def test_placeholder_is_recognized(key, text):
    assert is_unrendered(key, text)
    assert is_unrendered(key, f" {text}\n")


@pytest.mark.parametrize(
    "text", ["YWI=", "YWJj==", "0123456789abcdef", "a.b.c", "a-b_c~d", "a$", "100%", "a<b", "p{a}"]
)
@pytest.mark.parametrize("key", [*STRICT, *FREE])
def test_value_is_no_placeholder(key, text):
    assert not is_unrendered(key, text)


@pytest.mark.parametrize("key", FREE)
def test_password_is_a_placeholder_only_as_a_whole(key):
    assert all(is_unrendered(key, text) for text in ("${A}", "{{ a }}", " ${A}\n"))
    assert not any(is_unrendered(key, text) for text in ("$A", "x${A}", "<a>", "A=b", "%A%", "{{", "$(a)"))


def test_service_account_key_in_json_is_no_placeholder():
    assert not is_unrendered("service-account-key", '{"a": {"b": {}}}')
    assert is_unrendered("service-account-key", "${GCP_KEY}")
