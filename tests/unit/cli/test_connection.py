"""Connection to a stack, found by its name or by its id."""

from __future__ import annotations

import pytest

from evercert.aws.clients import Clients
from evercert.cli.connection import connection_of, described
from tests.doubles.aws_answers import AnsweringSession

ID = "arn:aws:cloudformation:eu-central-1:111122223333:stack/evercert/1"


@pytest.mark.parametrize("asked", ["evercert", ID], ids=["name", "id"])
def test_connection_has_the_name_of_the_stack(asked: str) -> None:
    """The tag of ownership contains the name, also where the operator names a deleted stack by its id."""
    outputs = [{"OutputKey": key, "OutputValue": "x"} for key in ("CertificatesTable", "IssuersTable", "Queue")]
    found = {"StackName": "evercert", "StackId": ID, "StackStatus": "DELETE_COMPLETE", "Outputs": outputs}
    connection = connection_of(described(asked, Clients(session=AnsweringSession()), found))
    assert (connection.name, connection.id) == ("evercert", ID)
