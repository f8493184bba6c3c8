"""The file with a CA's certificate: any path of a caller."""

from __future__ import annotations

import pytest

from evercert.cli.authority import external_certificate
from evercert.cli.files import BadInput
from tests.doubles.fakes import START
from tests.fuzz.readers.certificates import KEY


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/null", "/", "/no/such/file", "x" * 5_000])
def test_read_ends_for_any_file(file: str) -> None:
    with pytest.raises(BadInput, match=r"cannot read|no PEM certificates found"):
        external_certificate.read(file, KEY.public_key, START)
