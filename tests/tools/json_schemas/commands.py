"""Schemas of what the commands for certificates, issuers and the stack print with `--json`."""

from __future__ import annotations

from typing import get_args

from evercert.contracts.events import EventType, Severity
from evercert.contracts.probe import ProbeResult
from evercert.contracts.record import Reason, State
from tests.tools.json_schemas.notation import (
    COUNT,
    DOCUMENT,
    FLAG,
    TEXT,
    TIME,
    Schema,
    array,
    either,
    mapping,
    one_of,
    optional,
    record,
)

VALUE: Schema = {}
CHECKS = array(
    record(check=TEXT, status=one_of("ok", "warning", "failed", "unknown"), found=TEXT, remedy=TEXT),
)
DIFFERENCES = array(
    {
        "type": "array",
        "prefixItems": [TEXT, VALUE, VALUE],
        "minItems": 3,
        "maxItems": 3,
        "description": "key, before, after",
    }
)
PAUSES = array(
    record(
        issuer=optional(TEXT),
        certificate=optional(TEXT),
        since=optional(TIME),
        until=optional(TIME),
        reason=optional(TEXT),
    )
)
UNREADABLE = {"name": TEXT, "state": one_of("unreadable"), "error": TEXT}
SUMMARY = record(
    name=TEXT,
    state=one_of(*get_args(State)),
    issuer=TEXT,
    revision=COUNT,
    not_before=optional(TIME),
    not_after=optional(TIME),
    expired=FLAG,
    paused=FLAG,
    requested=FLAG,
    renew_at=optional(TIME),
    next_look_at=optional(TIME),
    error=optional(TEXT),
)
DAY = record(date={"type": "string", "format": "date"}, ends=COUNT, at_risk=COUNT)
FACTS = record(
    ("common_name", "obtained_at", "reference"),
    revision=COUNT,
    serial_number=TEXT,
    not_before=TIME,
    not_after=TIME,
    fingerprint_sha256=TEXT,
    common_name=TEXT,
    names=array(TEXT),
    obtained_at=TIME,
    reference=TEXT,
)
CERTIFICATE = record(revision=COUNT, serial_number=TEXT, not_before=TIME, not_after=TIME, fingerprint_sha256=TEXT)
DELIVERY = record(
    ("intended_at", "turn", "retry_at"),
    revision=COUNT,
    location=TEXT,
    version=TEXT,
    intended_at=optional(TIME),
    turn=optional(TIME),
    retry_at=optional(TIME),
)
FAILURE = record(
    ("requested_at", "issuer_hash"),
    kind=TEXT,
    message=TEXT,
    at=TIME,
    generation=COUNT,
    requested_at=TIME,
    issuer_hash=TEXT,
)
PENDING = record(
    ("handle", "retry_at", "deadline", "gave_up"),
    revision=COUNT,
    reason=one_of(*get_args(Reason)),
    generation=COUNT,
    handle=TEXT,
    retry_at=TIME,
    deadline=TIME,
    gave_up=TEXT,
)
DETAIL_OPTIONAL = (
    "requested_at", "request_reason", "woken_at", "rollback", "facts", "not_after", "request_hash", "issuer_hash", "served", "pending", "last_error",
    "retry_at", "renew_at", "check_at", "finding", "advice", "probed", "behind", "streak", "due_at", "issued_by", "consumers", "more_consumers",
)  # fmt: skip
DETAIL = record(
    DETAIL_OPTIONAL,
    name=TEXT,
    uid=TEXT,
    generation=COUNT,
    requested_at=TIME,
    request_reason=TEXT,
    woken_at=TIME,
    rollback=record(("reason",), to=COUNT, requested_at=TIME, reason=TEXT),
    state=one_of(*get_args(State)),
    revision=COUNT,
    outcomes=COUNT,
    facts=FACTS,
    not_after=TIME,
    request_hash=TEXT,
    issuer_hash=TEXT,
    served=TIME,
    deliveries=mapping(DELIVERY),
    pending=PENDING,
    failures=COUNT,
    last_error=FAILURE,
    retry_at=TIME,
    renew_at=TIME,
    check_at=TIME,
    warned=COUNT,
    finding=record(reason=TEXT, revision=COUNT, found_at=TIME),
    advice=record(("explanation",), revision=COUNT, start=TIME, end=TIME, explanation=TEXT),
    probed=record(
        (
            "intermediates",
            "at",
            "result",
            "since",
            "announced",
            "problem",
            "fingerprint_sha256",
            "not_after",
        ),
        target=TEXT,
        intermediates=COUNT,
        at=TIME,
        result=one_of(*get_args(ProbeResult)),
        since=TIME,
        announced=one_of("warning", "critical"),
        problem=TEXT,
        fingerprint_sha256=TEXT,
        not_after=TIME,
    ),
    behind=record(revision=COUNT, at=TIME),
    streak=record(
        ("requested_at",), times=array(TIME), lifetime={"type": "integer"}, generation=COUNT, requested_at=TIME
    ),
    resting=FLAG,
    due_at=TIME,
    spec=DOCUMENT,
    busy=FLAG,
    issued_by=optional(TEXT),
    consumers=array(
        record(
            consumer=TEXT,
            uid=TEXT,
            revision=COUNT,
            fingerprint_sha256=TEXT,
            version=TEXT,
            host=TEXT,
            loaded_at=TIME,
            seen_at=TIME,
            current=FLAG,
        )
    ),
    more_consumers=FLAG,
)
OUTCOME = record(
    name=TEXT,
    uid=TEXT,
    revision=COUNT,
    number=COUNT,
    type=one_of(*get_args(EventType)),
    at=TIME,
    issuer=TEXT,
    severity=one_of(*get_args(Severity)),
    labels=mapping(TEXT),
    data={"type": "object", "description": "see the page of the events"},
)
STEP = record(
    verb=one_of("create", "change", "repair", "delete"),
    name=TEXT,
    differences=DIFFERENCES,
    reissued=optional(one_of(*get_args(Reason))),
)
EVENT = record(
    specversion=TEXT,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    subject=TEXT,
    time=TIME,
    datacontenttype=TEXT,
    data={"type": "object", "description": "see the page of the events"},
)
ACCOUNT = record(
    ("kms_key", "key_change", "deactivated"),
    url=TEXT,
    contact=array(TEXT),
    kms_key=TEXT,
    key_change=TEXT,
    deactivated=FLAG,
)
RESULTS = array(record(name=TEXT, succeeded=FLAG, message=TEXT))
CHANGED_ACCOUNT = record(issuer=TEXT, result=TEXT, issuers=array(TEXT))

SCHEMAS: dict[str, Schema] = {
    "validate": record(certificates=array(TEXT), issuers=array(TEXT), notes=array(TEXT)),
    "apply": record(
        ("results",),
        credentials=mapping(one_of("create", "change", "unchanged")),
        issuers=array(TEXT),
        redefined=mapping(DIFFERENCES),
        steps=array(STEP),
        unchanged=array(TEXT),
        woken=array(TEXT),
        written=FLAG,
        results=RESULTS,
    ),
    "list": either(array(either(SUMMARY, record(**UNREADABLE))), array(DAY)),
    "show": either(DETAIL, record(**UNREADABLE, uid=TEXT, revision=COUNT, deliveries=mapping(DELIVERY))),
    "history": array(OUTCOME),
    "renew": record(
        ("results",),
        certificates=array(TEXT),
        already_requested=array(TEXT),
        unreadable=array(TEXT),
        written=FLAG,
        results=RESULTS,
    ),
    "rollback": record(
        ("renew_at", "others", "results"),
        name=TEXT,
        **{"from": CERTIFICATE},
        to=optional(CERTIFICATE),
        renew_at=optional(TIME),
        others=array(COUNT),
        written=FLAG,
        results=RESULTS,
    ),
    "delete": array(record(name=TEXT, remaining=array(TEXT))),
    "pause": record(paused=PAUSES, changed=FLAG),
    "resume": record(paused=PAUSES, changed=FLAG, woken=array(TEXT), expired=array(TEXT)),
    "adopt": either(
        record(arn=TEXT, tags=mapping(TEXT), changed=FLAG, destination=DOCUMENT, notes=array(TEXT), woken=FLAG),
        record(owner=TEXT, tagged=array(TEXT), left=array(TEXT), failed=mapping(TEXT)),
    ),
    "events": either(EVENT, record(arrived=array(TEXT), missing=array(TEXT))),
    "doctor": CHECKS,
    "take-over": array(record(name=TEXT, key=TEXT, changed=FLAG)),
    "uninstall": array(record(title=TEXT, loss=TEXT, commands=array(TEXT))),
    "version": either(
        record(version=TEXT),
        record(version=TEXT, stack=record(name=TEXT, version=optional(TEXT)), same=FLAG, remedy=optional(TEXT)),
    ),
    "issuer list": array(
        record(
            name=TEXT,
            type=optional(TEXT),
            address=optional(TEXT),
            profile=optional(TEXT),
            paused=FLAG,
            problem=optional(TEXT),
        )
    ),
    "issuer show": record(
        ("account",),
        name=TEXT,
        type=optional(TEXT),
        settings=optional(DOCUMENT),
        problem=optional(TEXT),
        pauses=PAUSES,
        account=optional(ACCOUNT),
    ),
    "issuer test": CHECKS,
    "issuer rotate-key": CHANGED_ACCOUNT,
    "issuer deactivate-account": CHANGED_ACCOUNT,
    "issuer register-account": CHANGED_ACCOUNT,
}
