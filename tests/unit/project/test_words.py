"""The word check refuses each form, and nothing wider."""

from __future__ import annotations

import pytest

from tests.tools.words import SETTINGS, problems

BAD = SETTINGS["refused"][0]
FIRST, _, OF, BY, AS = SETTINGS["docstring-starts"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/a.md", f"{BAD.capitalize()} knows."),
        ("layers/a.py", f"def for_{BAD}(): ..."),
        ("layers/a.py", f'    """{FIRST} is asked for.'),
        ("layers/a.py", f'    """{BY} its id.'),
        ("layers/a.py", f'    """{AS} it is.'),
        ("tests/a.py", f"def test_{FIRST.lower()}_is_asked(): ..."),
        ("tests/a.py", f"def test_{OF.lower()}_this(): ..."),
        ("tests/a.py", f"def test_{'a' * 66}(): ..."),
    ],
    ids=["word", "identifier", "what", "by", "as", "test-what", "test-of", "long"],
)
def test_words_refuse_each_form(name: str, text: str) -> None:
    assert len(list(problems(name, text))) == 1


@pytest.mark.parametrize(
    "text",
    ["amend, recommended, tremendous", '    """By default, five."""', '    """As of RFC 8555."""', "who made it"],
    ids=["inside", "by-default", "as-of", "who"],
)
def test_words_allow_other_text(text: str) -> None:
    assert not list(problems("layers/a.py", text))
