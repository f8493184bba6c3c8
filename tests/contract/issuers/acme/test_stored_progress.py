"""The stored progress of an order: any manual edit gives an error that says what to do, never a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from evercert.contracts.issuer import Request
from evercert.errors import EvercertError, Misconfigured, Unexpected
from evercert.issuers.acme.progress import Progress
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer

ODD: list[Any] = [
    None, True, 7, -100, 1.5, "", "x", "\x00\x1b", [], [None], {}, {"a": 1}, "[" * 50, "2026-13-01T00:00:00Z",
    '{"type":5}', '{"type":"X"}', '{"type":"http-02"}', '{"type":"http-01","a":1}',
]  # fmt: skip


def presented(bench: AcmeBench) -> Request:
    """Return a request whose answers are presented."""
    request = bench.request("a.example.com", "b.example.com")
    for _ in range(2):
        following = bench.step(request)
        assert isinstance(following, Request)
        request = following
    return request


def edits(handle: str) -> Iterator[tuple[str, str]]:
    """Yield handles with one value replaced or removed."""
    fields = json.loads(handle)
    entry = next(iter(fields["presented"]))
    for path in [(name,) for name in fields] + [("presented", entry, name) for name in fields["presented"][entry]]:
        for odd in [*ODD, "missing"]:
            changed = json.loads(handle)
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = odd
            if odd == "missing":
                del inner[path[-1]]
            yield f"{'/'.join(path)}: {odd!r}", json.dumps(changed)
    for text in (
        "",
        "x",
        "[]",
        "{}",
        "null",
        '{"presented": {"a": null}}',
        '{"presented": 5}',
        '{"presented": {}, "more": 1}',
    ):
        yield text, text


def test_progress_reports_manual_edits(bench: AcmeBench, server: AcmeServer) -> None:
    request = presented(bench)
    tried = 0
    for name, handle in edits(str(request.handle)):
        tried += 1
        for act in (lambda text: bench.issuer.issue(replace(request, handle=text)), bench.issuer.cancel):
            try:
                act(handle)
            except EvercertError as error:
                assert not isinstance(error, Unexpected), name
                assert str(error).isprintable(), name
            except Exception as error:
                raise AssertionError(name) from error
    assert tried > 150


@pytest.mark.parametrize("handle", ["{}", "not JSON", '{"order":5,"presented":{}}'])
def test_progress_that_does_not_parse_names_the_command(bench: AcmeBench, handle: str) -> None:
    with pytest.raises(Misconfigured, match="progress of the ACME order does not parse; run: evercert renew NAME"):
        bench.issuer.issue(replace(bench.request("www.example.com"), handle=handle))


def test_progress_survives_its_text(bench: AcmeBench) -> None:
    handle = str(presented(bench).handle)
    assert Progress.parse(handle).text == handle
    assert len(Progress.parse(handle).presented) == 2
