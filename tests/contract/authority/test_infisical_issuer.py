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
        ('then("approval")', 'then("pending")', 'then("validation")', "then(outcome)", "start_waiting_manual_renewal"),
        (
            "test_pending_approval_is_announced_once",
            "test_pending_external_ca_request_is_issued_later",
            "test_pending_validation_is_triggered",
            "test_rejected_request_stops_certificate",
            "test_failed_request_is_replaced_by_new_request",
            "test_unapproved_request_is_cancelled_at_deadline",
            "test_polling_backs_off_to_fifteen_minutes",
            "test_renewal_awaiting_approval_is_delivered",
            "test_waiting_renewal_is_recovered_by_predecessor",
            "test_superseded_renewal_is_revoked_only_if_issued",
            "test_approved_manual_renewal_is_left_and_own_one_made",
            "test_rejected_manual_renewal_does_not_stop_own_one",
            "test_manual_renewal_is_not_cancelled_by_new_spec",
            "test_manual_renewal_is_not_cancelled_if_own_one_was_lost",
            "test_followed_certificate_with_unusable_key_is_not_revoked",
            "test_refused_read_is_retried",
            "test_failed_validation_trigger_is_ignored",
            "test_request_without_status_fails",
            "test_unknown_status_waits_at_least_five_minutes",
            "test_invalid_request_id_is_not_stored",
            "test_cancel_reports_refusal",
            "test_cancel_reports_request_left_open",
            "test_cancel_accepts_ended_request",
            "test_cancel_revokes_certificate_approved_meanwhile",
        ),
    ),
    (
        "the authority refuses a request whose key the identity could not read, instead of issuing it",
        ('permissions.discard("read-private-key certificates")',),
        ("test_unreadable_key_requests_no_second_certificate",),
    ),
    (
        "the authority cannot be made to answer incorrectly or incompletely",
        (
            "then(outcome)",
            'then("no-chain")',
            "setattr(enrollment.server.switches",
            "renew_ignores_csr",
            "make_unusable_keys",
            "refuses_renewals",
            'search = "none"',
        ),
        (
            "test_mismatched_certificate_is_revoked_not_delivered",
            "test_incomplete_answer_is_delivered_once_complete",
            "test_renewal_with_wrong_key_is_revoked_and_replaced",
            "test_approved_renewal_with_wrong_key_is_revoked",
            "test_renewal_resumes_after_wrong_key_was_revoked",
            "test_renewal_continues_if_revoke_is_refused",
            "test_certificate_with_unusable_key_is_revoked",
            "test_refused_renewal_falls_back_to_issue",
            "test_crash_without_search_issues_one_more_certificate",
            "test_missing_chain_does_not_block_other_certificates",
        ),
    ),
    (
        "profile ids are stable, and the authority deletes no certificates",
        ("del enrollment.server.store", "del server.store", "del server.estate"),
        (
            "test_lookup_finds_recreated_profile",
            "test_followed_renewals_restart_at_first_if_deleted",
        ),
    ),
    (
        "the permission to revoke includes the permission to read",
        ('discard("read certificates")',),
        ("test_revoke_works_without_read_permission",),
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
