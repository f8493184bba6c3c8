"""Link headers: relation types, quotes, several links, and headers that a server could use to stall a client."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.acme.links import LONGEST_HEADER, MOST_LINKS, links

A, B = "https://acme.example/cert/1/1", "https://acme.example/cert/1/2"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(f'<{A}>;rel="alternate"', [A], id="RFC 8555 section 7.4.2"),
        pytest.param(f"<{A}>;rel=alternate", [A], id="without quotes"),
        pytest.param(f'<{A}> ; rel = "alternate"', [A], id="spaces"),
        pytest.param(f'<{A}>;REL="Alternate"', [A], id="capitals"),
        pytest.param(f'<{A}>;rel="up alternate index"', [A], id="several relation types"),
        pytest.param(f'<{A}>;rel="alternate", <{B}>;rel="alternate"', [A, B], id="several links"),
        pytest.param(f'<{A}>;rel="index",<{B}>;rel="alternate"', [B], id="relation of another link"),
        pytest.param(f'<{A}>, <{B}>;rel="alternate"', [B], id="link without parameters"),
        pytest.param(f'<{A}>;title="a, b; c";rel="alternate"', [A], id="quoted separators"),
        pytest.param(f'<{A}>;title="a \\"b\\"";rel="alternate"', [A], id="escaped quotes"),
        pytest.param(f'<{A}>;title="{"x" * 2_000}";rel="alternate"', [A], id="long title"),
        pytest.param(f"<{A}>;title*=UTF-8''a%20b;rel=alternate", [A], id="extended title"),
        pytest.param(f'<{A}>;x-2=1;rel="alternate"', [A], id="name with hyphen and digit"),
        pytest.param(f'<{A}>;crossorigin;rel="alternate"', [A], id="parameter without value"),
        pytest.param('</acme/cert/2>;rel="alternate"', ["/acme/cert/2"], id="relative target"),
        pytest.param("<https://a.example/?a=1,2;b>;rel=alternate", ["https://a.example/?a=1,2;b"], id="commas in the target"),
    ],
)  # fmt: skip
def test_links_returns_targets_of_the_relation(header: str, expected: list[str]) -> None:
    assert links(header, "alternate") == expected


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(f"<{A}>", id="no relation"),
        pytest.param(f'<{A}>;rel=""', id="empty relation"),
        pytest.param(f'<{A}>;rel="up"', id="other relation"),
        pytest.param(f'<{A}>;rel="alternates"', id="longer relation"),
        pytest.param(f'<{A}>;xrel="alternate"', id="other parameter"),
        pytest.param(f'<{A}>;rel="up";rel="alternate"', id="second relation parameter"),
        pytest.param(f'<{A}>;title="a; rel=alternate";rel="up"', id="relation in a title"),
        pytest.param(f'<{A}>;title="<{B}>; rel=alternate";rel="up"', id="link in a title"),
        pytest.param(f'<{A}>;rel="alternate', id="open quote"),
        pytest.param(f'{A};rel="alternate"', id="no brackets"),
        pytest.param(f'<{A};rel="alternate"', id="open bracket"),
        pytest.param('<>;rel="alternate"', id="empty target"),
        pytest.param(f'<{A * 80}>;rel="alternate"', id="long target"),
    ],
)
def test_links_skips_other_links(header: str | None) -> None:
    assert links(header, "alternate") == []


def test_links_finds_each_relation() -> None:
    header = f'<{A}>;rel="up", <{B}>;rel="alternate index"'
    assert links(header, "up") == [A]
    assert links(header, "index") == [B]


def test_links_returns_a_bounded_number() -> None:
    header = ",".join(f"<https://a.example/{number}>;rel=alternate" for number in range(100))
    assert links(header, "alternate") == [f"https://a.example/{number}" for number in range(MOST_LINKS)]


def test_links_ignores_the_rest_of_a_huge_header() -> None:
    link = f"<{A}>;rel=alternate"
    assert links(link.rjust(LONGEST_HEADER), "alternate") == [A]
    assert links(link.rjust(LONGEST_HEADER * 2), "alternate") == []


@pytest.mark.parametrize(
    "part",
    [
        pytest.param('<u>;a="', id="open quotes"),
        pytest.param("<", id="open brackets"),
        pytest.param("<a", id="targets without end"),
        pytest.param("<u>;a", id="names"),
        pytest.param(" ; ", id="separators"),
        pytest.param("<u>;a=b ; ", id="spaces"),
        pytest.param('<u>;a="\\', id="escapes"),
        pytest.param('<u>;a="\\"', id="escaped quotes"),
    ],
)
def test_links_takes_linear_time(part: str) -> None:
    began = time.process_time()
    links(f"<u>{part * 100_000}", "alternate")
    assert time.process_time() - began < 1


@given(st.text(alphabet="<>;=,\"\\ ru.el'alternate", max_size=80))
def test_links_returns_parts_of_the_header(header: str) -> None:
    for target in links(header, "alternate"):
        assert f"<{target}>" in header
        assert "alternate" in header.lower()
