"""Schemas of what the commands of the authority print with `--json`."""

from __future__ import annotations

from tests.tools.json_schemas.notation import (
    COUNT,
    DOCUMENT,
    FLAG,
    TEXT,
    TIME,
    Schema,
    array,
    mapping,
    one_of,
    optional,
    record,
)

CA = record(
    name=TEXT,
    id=TEXT,
    kind=one_of("root", "issuing"),
    status=one_of("pending", "active", "disabled"),
    algorithm=TEXT,
    key=TEXT,
    parent=optional(TEXT),
    certificates=array(
        record(id=TEXT, subject=TEXT, issuer=TEXT, serial_number=TEXT, not_before=TIME, not_after=TIME, sha256=TEXT)
    ),
    ceiling=optional(DOCUMENT),
)
CREDENTIAL = record(
    ("hmac_key", "directory"),
    key_id=TEXT,
    profile=optional(TEXT),
    created_at=TIME,
    expires_at=optional(TIME),
    once=FLAG,
    revoked=FLAG,
    names=array(TEXT),
    description=TEXT,
    hmac_key=TEXT,
    directory=TEXT,
)
SWITCHED = record(name=TEXT, status=TEXT, changed=FLAG)
FAILURES = mapping(record(count=COUNT, latest=TEXT))

SCHEMAS: dict[str, Schema] = {
    "authority init": array(CA),
    "authority ca list": array(CA),
    "authority ca show": CA,
    "authority ca import": CA,
    "authority ca renew": CA,
    "authority ca crl": record(name=TEXT, next_update=optional(TIME), revoked=COUNT),
    "authority ca enable": SWITCHED,
    "authority ca disable": SWITCHED,
    "authority ceiling": DOCUMENT,
    "authority apply": record(steps=array(record(verb=TEXT, what=TEXT, name=TEXT)), written=FLAG),
    "authority profiles": array(DOCUMENT),
    "authority show": DOCUMENT,
    "authority status": record(
        address=TEXT,
        cas=array(
            record(
                name=TEXT,
                kind=TEXT,
                status=TEXT,
                ends=optional(TIME),
                crl=optional(COUNT),
                crl_made=optional(TIME),
                crl_revoked=optional(COUNT),
            )
        ),
    ),
    "authority audit": record(
        signed=COUNT,
        begun=COUNT,
        unknown=array(record(order=TEXT, ca=TEXT, serial_number=optional(TEXT), at=TIME, names=TEXT)),
    ),
    "authority revoke": record(("key_ended", "listed"), revoked=TEXT, serial_number=TEXT, key_ended=FLAG, listed=FLAG),
    "authority identity list": array(DOCUMENT),
    "authority identity show": DOCUMENT,
    "authority identity create": DOCUMENT,
    "authority identity grant": DOCUMENT,
    "authority identity roles": DOCUMENT,
    "authority identity secret": DOCUMENT,
    "authority identity delete": record(deleted=TEXT),
    "authority eab create": CREDENTIAL,
    "authority eab list": array(CREDENTIAL),
    "authority eab revoke": record(revoked=TEXT),
    "authority acme status": array(
        record(profile=TEXT, accounts=mapping(COUNT), orders=mapping(COUNT), failures=FAILURES)
    ),
}
