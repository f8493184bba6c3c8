"""Tests of policy patterns: matches, near misses, and the worst-case time."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.authority.policy import patterns
from evercert.authority.policy.patterns import allows, denies, fold, matches, meets, pattern_problem

LETTERS = st.text(alphabet="ab.", max_size=12)
GLOBS = st.text(alphabet="ab.*", max_size=10)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("*", "", True), ("*", "a.b", True), ("*.example.com", "a.b.example.com", True), ("*.example.com", "example.com", False),
        ("*.example.com", "*.example.com", True), ("a*", "ba", False), ("*a", "ab", False), ("a.c", "abc", False),
        ("A.Example", "a.eXAMPLE", True), ("a*a", "a", False), ("a*a", "aa", True), ("*a*b*", "xbxa", False), ("*a*b*", "xaxb", True),
        ("a**b", "ab", True), ("www.example.com", "www.example.com.evil.org", False), ("example.com", "www.example.com", False),
        ("Müller", "MÜLLER", True), ("Fußweg", "FUSSWEG", True), ("a b", "a  b", True), ("\uff41", "a", True), ("\uff0a", "anything", False),
    ],
)  # fmt: skip
def test_matches_expands_stars_and_needs_whole_value(pattern, value, expected):
    assert matches(pattern, value) is expected


@given(GLOBS, LETTERS)
def test_matches_agrees_with_regular_expressions(pattern, value):
    match = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value)
    assert matches(pattern, value) is (match is not None)


@given(GLOBS, LETTERS)
def test_meets_if_one_host_of_the_wildcard_matches(pattern, suffix):
    wildcard = f"*.{suffix}"
    labels = [first + second + third for first in "abx" for second in ("", *"abx") for third in ("", *"abx")]
    if any(matches(pattern, f"{label}.{suffix}") for label in labels):
        assert meets(pattern, wildcard)


@pytest.mark.parametrize(
    ("pattern", "wildcard", "met"),
    [
        ("admin.example.com", "*.example.com", True), ("*min.example.com", "*.example.com", True), ("*", "*.example.com", True),
        ("a.admin.example.com", "*.example.com", False), ("example.com", "*.example.com", False), (".example.com", "*.example.com", False),
        ("admin.example.org", "*.example.com", False), ("adm*", "*.example.com", True), ("*.b.example.com", "*.example.com", False),
    ],
)  # fmt: skip
def test_meets_replaces_star_with_one_label(pattern, wildcard, met):
    assert meets(pattern, wildcard) is met


def test_many_stars_match_quickly():
    began = time.perf_counter()
    assert not matches("*a" * 127, "a" * 126 + "b" * 129)
    assert not matches("a*" * 120 + "b", "a" * 254)
    meets("*a" * 127, "*." + ".".join(["a" * 60] * 4))
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("kind", "pattern", "value", "allowed", "denied"),
    [
        ("ip_address", "2001:DB8:0:0::1", "2001:db8::1", True, True),
        ("ip_address", "2001:0db8:*", "2001:db8::1", True, True),
        ("ip_address", "10.*", "10.1.2.3", True, True),
        ("ip_address", "10.*", "110.1.2.3", False, False),
        ("uri", "spiffe://example.org/web/*", "spiffe://example.org/web/a", True, True),
        ("uri", "spiffe://example.org/web/*", "spiffe://example.org/web/../admin", False, True),
        ("uri", "spiffe://example.org/admin", "spiffe://example.org/web/../admin", False, True),
        ("uri", "spiffe://example.org/admin", "spiffe://example.org/%61dmin", False, True),
        ("uri", "spiffe://example.org/admin", "SPIFFE://Example.org/admin", True, True),
        ("uri", "https://example.com", "https://example.com", True, True),
        ("uri", "https://example.com/", "https://example.com:443/", False, True),
        ("dns_name", "admin.example.com", "*.example.com", False, True),
        ("common_name", "admin.example.com", "*.example.com", False, True),
        ("organization", "admin.example.com", "*.example.com", False, False),
        ("domain_component", "example,com", "example,com", True, True),
        ("domain_component", "example,com", "com,example", False, False),
        ("domain_component", "example,com", "www,example,com", False, True),
        ("domain_component", "com", "www,example,com", False, True),
        ("domain_component", "www,com", "www,example,com", False, False),
        ("domain_component", "*,com", "example,com", True, True),
        ("domain_component", "*,com", "com", False, False),
        ("domain_component", "*,com", "www,example,com", False, True),
        ("domain_component", "ex*,com", "example,com", True, True),
        ("domain_component", "*", "example,com", False, True),
        ("domain_component", "*", "com", True, True),
    ],
)  # fmt: skip
def test_allows_needs_every_spelling_denies_needs_one(kind, pattern, value, allowed, denied):
    assert allows(kind, pattern, value) is allowed
    assert denies(kind, pattern, value) is denied


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("dns_name", ""), ("dns_name", "a" * 256), ("dns_name", "bücher.example"), ("domain_component", "a,,b"),
     ("domain_component", "a, b"), ("organization", "a\x00"), ("organization", " a")],
)  # fmt: skip
def test_invalid_pattern_denies_everything(kind, pattern):
    assert pattern_problem(kind, pattern)
    assert not allows(kind, pattern, pattern)
    assert denies(kind, pattern, "anything")


def test_endless_patterns_are_not_kept_in_memory():
    patterns._problem.cache_clear()
    assert pattern_problem("dns_name", "a" * 256) == pattern_problem("dns_name", "")
    assert denies("dns_name", "a" * 256, "anything")
    assert patterns._problem.cache_info().currsize == 1


@given(st.text(max_size=20))
def test_fold_is_idempotent(text):
    assert fold(fold(text)) == fold(text)
