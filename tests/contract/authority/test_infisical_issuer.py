"""Run the suite of the Infisical issuer against the authority over HTTP; list the tests that do not apply."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.issuers.infisical import (
    test_foreign_requests as test_infisical_left_alone,
)
from tests.contract.issuers.infisical import (
    test_issuer as test_infisical,
)
from tests.contract.issuers.infisical import (
    test_odd_answers as test_infisical_odd_answers,
)
from tests.contract.issuers.infisical import (
    test_recovery as test_infisical_found_again,
)
from tests.contract.issuers.infisical import (
    test_revocation as test_infisical_taken_back,
)
from tests.doubles.authority.enrolled import AuthorityEnrollment, enrolled

SUITES = (
    test_infisical,
    test_infisical_found_again,
    test_infisical_left_alone,
    test_infisical_odd_answers,
    test_infisical_taken_back,
)
# The reason, source text that proves it, and the tests.
LEFT_OUT: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "the authority has no approvals, no external CAs and no validations",
        ('then("approval")', 'then("pending")', 'then("validation")', "then(outcome)", "waiting_by_hand"),
        (
            "test_an_approval_is_waited_for_and_announced_once",
            "test_an_external_ca_takes_its_time",
            "test_a_validation_is_triggered",
            "test_a_rejection_stops",
            "test_what_failed_at_the_ca_is_asked_for_anew",
            "test_what_nobody_approves_is_given_up_and_cancelled",
            "test_it_is_asked_more_and_more_seldom",
            "test_a_renewal_that_waits_for_an_approval_is_found_again",
            "test_a_renewal_that_waits_is_found_by_what_it_renews",
            "test_a_renewal_that_nobody_wants_any_more_is_looked_for_too",
            "test_a_renewal_by_hand_that_is_approved_is_left_and_ours_is_asked_for",
            "test_a_renewal_by_hand_that_is_rejected_does_not_stop_ours",
            "test_a_renewal_by_hand_is_not_cancelled_when_something_else_is_wanted",
            "test_a_renewal_by_hand_is_not_cancelled_when_ours_was_lost",
            "test_a_followed_one_with_such_a_key_is_left",
            "test_a_read_that_is_refused_stops_nothing",
            "test_a_validation_that_cannot_be_triggered_changes_nothing",
            "test_a_request_without_a_status_is_no_wait",
            "test_a_wait_that_nothing_is_known_of_is_no_short_one",
            "test_an_id_that_is_none_gets_no_further",
            "test_a_cancel_that_is_refused_is_not_told_as_done",
            "test_a_cancel_that_changes_nothing_is_not_told_as_done",
            "test_what_has_come_to_nothing_needs_no_cancel",
            "test_what_was_approved_meanwhile_is_revoked",
        ),
    ),
    (
        "the authority cannot be made to answer incorrectly or incompletely",
        (
            "then(outcome)",
            'then("no-chain")',
            "setattr(enrollment.server.switches",
            "renew_ignores_csr",
            "with_an_odd_key",
            "refuses_renewals",
            'search = "none"',
        ),
        (
            "test_a_misfit_is_revoked_and_never_delivered",
            "test_what_is_not_whole_is_not_delivered_until_it_is",
            "test_a_renewal_with_another_key_than_was_sent_is_taken_back",
            "test_a_renewal_with_another_key_that_people_approved_is_taken_back",
            "test_what_was_taken_back_by_a_run_that_died_is_taken_back",
            "test_a_revocation_that_is_refused_does_not_end_a_renewal",
            "test_a_private_key_that_evercert_cannot_use_is_taken_back_with_its_certificate",
            "test_where_renewals_are_refused_it_is_issued_anew",
            "test_without_a_search_one_more_is_issued_at_the_most",
            "test_a_chain_that_is_missing_shuts_nobody_else_out",
        ),
    ),
    (
        "profile ids are stable, and the authority deletes no certificates",
        ("del enrollment.server.store", "del server.store", "del server.estate"),
        (
            "test_a_profile_that_was_made_anew_is_found_again",
            "test_it_is_walked_from_its_beginning_where_that_was_deleted",
        ),
    ),
    (
        "the permission to revoke includes the permission to read",
        ('discard("read certificates")',),
        ("test_who_may_not_look_may_revoke",),
    ),
)
NAMES = {name for _, _, names in LEFT_OUT for name in names}


def the_suite() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for suite in SUITES:
        for name, test in vars(suite).items():
            if name.startswith("test_") and inspect.isfunction(test) and test.__module__ == suite.__name__:
                assert name not in found, name
                found[name] = test
    return found


@pytest.fixture
def enrollment() -> Iterator[AuthorityEnrollment]:
    with enrolled() as enrollment:
        yield enrollment


@pytest.fixture
def elsewhere(enrollment: AuthorityEnrollment) -> str:
    enrollment.want(**test_infisical.THEIRS)
    enrollment.run()
    return str(enrollment.server.issued[0].id)


globals().update({name: test for name, test in the_suite().items() if name not in NAMES})


def test_left_out_tests_exist_and_do_not_apply() -> None:
    suite = the_suite()
    assert len(suite) - len(NAMES) >= 50
    for why, marks, names in LEFT_OUT:
        for name in names:
            assert any(mark in inspect.getsource(suite[name]) for mark in marks), (name, why)
