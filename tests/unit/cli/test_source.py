"""YAML files: line numbers, and limits against files that would hang or crash the reader."""

import time

import pytest

from evercert.cli.source import Unreadable, load

MEBIBYTE = 1_048_576


@pytest.fixture
def write(tmp_path):
    def to_file(content):
        file = tmp_path / "document.yaml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(file)

    return to_file


def refused(file):
    with pytest.raises(Unreadable) as caught:
        load(file)
    return caught.value.line, str(caught.value)


def test_load_records_the_line_of_every_key_and_item(write):
    source = load(write("# first\na:\n  b: 1\n  c:\n    - x\n    - d: y\n"))
    assert source.data == {"a": {"b": 1, "c": ["x", {"d": "y"}]}}
    assert [source.line(path) for path in [("a",), ("a", "b"), ("a", "c", 0), ("a", "c", 1, "d")]] == [2, 3, 5, 6]


def test_line_of_a_missing_path_is_its_parents_line(write):
    source = load(write("\na:\n  b: 1\n"))
    assert source.line(("a", "missing", 3)) == 2
    assert source.line(("missing",)) == 2


def test_load_resolves_aliases_and_merges(write):
    source = load(write("base: &base {x: 1}\na: *base\nb:\n  <<: *base\n  y: 2\n"))
    assert source.data["a"] == {"x": 1}
    assert source.data["b"] == {"x": 1, "y": 2}
    assert source.line(("b", "y")) == 5


def test_load_accepts_a_byte_order_mark_and_crlf(write):
    source = load(write(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n"))
    assert source.data == {"a": 1, "b": 2}
    assert source.line(("b",)) == 2


def test_load_accepts_json(write):
    assert load(write('{"a": ["b", {"c": null}]}')).data == {"a": ["b", {"c": None}]}


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        pytest.param("", 1, "is empty", id="empty"),
        pytest.param("# only words\n", 1, "is empty", id="comment"),
        pytest.param(
            "a: [1,\nb: 2\n", 3, "is not YAML: did not find expected ',' or ']', while parsing", id="unclosed"
        ),
        pytest.param("a:\n\t- b", 2, "is not YAML: a tab or another character that no value begins with", id="tab"),
        pytest.param("a: *b", 1, "is not YAML: text that begins with !, & or * needs quotes", id="unknown alias"),
        pytest.param(b"a: \xff\n", 0, "is not UTF-8 text", id="not UTF-8"),
        pytest.param("a: 1".encode("utf-16"), 0, "is not UTF-8 text", id="UTF-16"),
        pytest.param("a: 1\nb: \x00", 2, "is not YAML: it contains the control character U+0000; remove it", id="NUL"),
        pytest.param("x: 1\n? [a]\n: b", 2, "has a key that is a list or a mapping", id="a list as key"),
    ],
)
def test_load_refuses_invalid_yaml_with_its_line(write, content, line, expected):
    found, message = refused(write(content))
    assert (found, message[: len(expected)]) == (line, expected)


@pytest.mark.parametrize(
    "content",
    ["a: 1\nb: 2\na: 3\n", "x:\n  a: 1\n  a: 1\n", '{"a": 1,\n "a": 2}', "a: 1\n'a': 2\n", "- a: 1\n  a: 2\n"],
    ids=["top", "nested", "JSON", "quoted", "in a list"],
)
def test_load_refuses_duplicate_keys_and_names_both_lines(write, content):
    lines = [number for number, line in enumerate(content.splitlines(), 1) if "a" in line.partition(":")[0]]
    assert refused(write(content)) == (lines[-1], f"has the key 'a' twice; the first one is in line {lines[0]}")


def test_load_does_not_quote_a_key_that_may_be_a_credential(write):
    line, message = refused(write("auth:\n  config:\n    {client-secret:S3cretPw, client-secret:S3cretPw}\n"))
    assert (line, message) == (3, "has a key twice; the first one is in line 3")
    assert refused(write("auth: {token: a, token: b}"))[1].startswith("has the key 'token' twice")


def test_load_names_a_missing_file(tmp_path):
    assert refused(str(tmp_path / "missing.yaml")) == (0, "cannot be read: No such file or directory")
    assert refused(str(tmp_path)) == (0, "cannot be read: Is a directory")


def test_load_refuses_files_over_a_mebibyte(write):
    assert refused(write("a: 1\n" + "#" * MEBIBYTE)) == (
        0,
        "is larger than 1 MiB, the limit for a document; split it into several files",
    )


def test_load_accepts_a_file_of_exactly_a_mebibyte(write):
    assert load(write("a: 12 # " + "😀" * (MEBIBYTE // 4 - 2))).data == {"a": 12}


@pytest.mark.parametrize("opened", ["[", "{a: "], ids=["lists", "mappings"])
def test_load_refuses_more_than_twenty_levels(write, opened):
    closed = "]" if opened == "[" else "}"
    load(write(opened * 20 + "x" + closed * 20))
    assert refused(write(opened * 21 + "x" + closed * 21)) == (1, "is nested more than 20 levels deep; flatten it")
    assert refused(write(opened * 5_000)) == (1, "is nested more than 20 levels deep; flatten it")


def test_load_does_not_count_siblings_as_depth(write):
    assert len(load(write("- {a: [x]}\n" * 50)).data) == 50


def test_load_refuses_excessive_depth_through_aliases(write):
    lines = ["a0: &a0 " + "[" * 18 + "]" * 18]
    lines += [f"a{n}: &a{n} " + "[" * 18 + f"*a{n - 1}" + "]" * 18 for n in range(1, 80)]
    assert "nested more than 20 levels deep" in refused(write("\n".join(lines)))[1]


def test_load_refuses_more_than_a_hundred_aliases(write):
    load(write("a: &a x\nb: [" + "*a, " * 100 + "]"))
    assert refused(write("a: &a x\nb: [" + "*a, " * 101 + "]")) == (
        2,
        "has more than 100 aliases; write the values out",
    )


def test_load_refuses_an_alias_bomb_within_a_second(write):
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    begun = time.monotonic()
    line, message = refused(write("\n".join(bomb)))
    assert time.monotonic() - begun < 1
    assert "has more than 100000 values" in message
    assert 1 < line <= len(bomb)


@pytest.mark.parametrize(
    "content",
    ["a: &a [*a]", "a: &a {b: *a}", "a: &a\n  - b:\n      - *a\n", "a: &a {<<: *a}"],
    ids=["list", "mapping", "further down", "merge"],
)
def test_load_refuses_recursive_aliases(write, content):
    assert refused(write(content)) == (1, "contains itself through an alias; remove the alias")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [true]", "!!python/name:os.system x", "!custom x"])
def test_load_refuses_tags_that_construct_objects(write, tag):
    line, message = refused(write(f"x: 1\na: {tag}\n"))
    assert (line, message) == (2, "is not YAML: text that begins with !, & or * needs quotes")


@pytest.mark.parametrize(
    "value", ["!S3cretPw", "*S3cretPw", "!S3cret!Pw x", "*S3cretPw$", "!<S3cretPw", "!!S3cretPw", "&S3cretPw$"]
)
def test_load_does_not_quote_an_unquoted_password(write, value):
    line, message = refused(write(f"x: 1\npassword: {value}\n"))
    assert (line, "needs quotes" in message) == (2, True)
    assert "S3cret" not in message
    assert "$" not in message


def test_load_keeps_the_text_of_scalars(write):
    found = load(write("a: 0640\nb: 640\nc: 1_000\nd: 1.50\ne: no\nf: 2027-01-31\ng: x\nh:\n")).scalars
    expected = [(0o640, "0640"), (640, "640"), (1000, "1_000"), (1.5, "1.50"), (False, "no")]
    assert [(found[key].value, found[key].text) for key in "abcde"] == expected
    assert str(found["f"]) == "2027-01-31"
    assert (found["g"], found["h"]) == ("x", None)


@pytest.mark.parametrize(
    "value",
    ["2026-02-30", "!!float x", "!!int x", '!!int ""', "!!bool maybe", "!!timestamp soon"],
    ids=["30 February", "no float", "no integer", "empty integer", "no boolean", "no time"],
)
def test_load_refuses_invalid_values(write, value):
    assert "invalid value" in refused(write(f"x: 1\na: {value}\n"))[1]


def test_load_reports_the_line_of_an_invalid_value(write):
    assert refused(write("x: 1\ny: 2\na: 2026-02-30\n"))[0] == 3


@pytest.mark.parametrize("text", ["a: 1\n---\n", "---\na: 1\n---", "---\n---\na: 1\n", "a: 1\n...\n---\n# end\n"])
def test_load_accepts_empty_documents_beside_one(write, text):
    assert load(write(text)).data == {"a": 1}


@pytest.mark.parametrize("text", ["---\n", "---\n---\n", "# nothing\n", ""])
def test_load_refuses_only_empty_documents(write, text):
    assert refused(write(text)) == (1, "is empty")


def test_load_names_the_line_of_a_second_document(write):
    line, message = refused(write("a: 1\n---\nb: 1\n"))
    assert line == 3
    assert message == "has a second document after ---; put each document into a file of its own"
