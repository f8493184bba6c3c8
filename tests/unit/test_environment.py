"""Tests of environment variables: required, in range, errors that name the variable."""

from datetime import timedelta

import pytest

from evercert.errors import Misconfigured
from evercert.issuance.settings import CheckerSettings, IssuerSettings

CHECKER = {
    "CERTIFICATES_TABLE": "certificates",
    "QUEUE_URL": "https://queue",
    "STACK_NAME": "evercert",
    "REDISPATCH_SECONDS": "600",
}
ISSUER = {
    "CERTIFICATES_TABLE": "certificates",
    "ISSUERS_TABLE": "issuers",
    "QUEUE_URL": "https://queue",
    "TOPIC_ARN": "arn:topic",
    "SEAL_KEY": "arn:key",
    "STACK_NAME": "evercert",
    "STACK_ID": "arn:stack",
    "LEASE_SECONDS": "90",
}


def test_checker_settings_ignore_other_variables():
    found = CheckerSettings.of({**CHECKER, "PATH": "/bin"})
    assert (found.table, found.queue, found.redispatch) == ("certificates", "https://queue", timedelta(minutes=10))


def test_issuer_settings_read_all_variables():
    found = IssuerSettings.of(ISSUER)
    assert (found.issuers_table, found.topic, found.seal_key) == ("issuers", "arn:topic", "arn:key")
    assert (found.data_stack, found.stack_id, found.lease) == ("evercert", "arn:stack", timedelta(seconds=90))


def test_issuer_settings_have_strict_defaults():
    found = IssuerSettings.of(ISSUER)
    assert (found.hosts, found.local_issuers) == ("", False)
    found = IssuerSettings.of({**ISSUER, "ISSUER_HOSTS": "a.example,b.example", "EVERCERT_LOCAL_ISSUERS": "1"})
    assert (found.hosts, found.local_issuers) == ("a.example,b.example", True)
    for value in ("0", "true", "", "yes"):
        assert IssuerSettings.of({**ISSUER, "EVERCERT_LOCAL_ISSUERS": value}).local_issuers is False


@pytest.mark.parametrize(
    ("settings", "complete", "variable"),
    [(CheckerSettings, CHECKER, name) for name in CHECKER] + [(IssuerSettings, ISSUER, name) for name in ISSUER],
)
def test_environment_names_a_missing_or_empty_variable(settings, complete, variable):
    without = {name: value for name, value in complete.items() if name != variable}
    for environment in (without, {**complete, variable: ""}):
        with pytest.raises(Misconfigured, match=f"invalid environment variable {variable}"):
            settings.of(environment)


@pytest.mark.parametrize("seconds", ["29", "43201", "-1", "1.5", "ten", "nan"])
def test_checker_settings_refuse_redispatch_out_of_range(seconds):
    with pytest.raises(Misconfigured, match="REDISPATCH_SECONDS"):
        CheckerSettings.of({**CHECKER, "REDISPATCH_SECONDS": seconds})


@pytest.mark.parametrize("seconds", ["9", "901"])
def test_issuer_settings_refuse_lease_out_of_range(seconds):
    with pytest.raises(Misconfigured, match="LEASE_SECONDS"):
        IssuerSettings.of({**ISSUER, "LEASE_SECONDS": seconds})


def test_data_stack_is_the_own_stack_without_another_name() -> None:
    """An environment of the previous release lacks the variable."""
    assert IssuerSettings.of(ISSUER).data_stack == "evercert"
    assert IssuerSettings.of({**ISSUER, "DATA_STACK_NAME": ""}).data_stack == "evercert"
    assert IssuerSettings.of({**ISSUER, "DATA_STACK_NAME": "old"}).data_stack == "old"
