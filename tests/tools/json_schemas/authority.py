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
    status=one_of("pending", "active", "disabled", "retired"),
    algorithm=TEXT,
    key=TEXT,
    parent=optional(TEXT),
    certificates=array(
        record(id=TEXT, subject=TEXT, issuer=TEXT, serial_number=TEXT, not_before=TIME, not_after=TIME, sha256=TEXT)
    ),
    ceiling=optional(DOCUMENT),
    constraints=optional(DOCUMENT),
    path_length=optional(COUNT),
    replaced_by=optional(TEXT),
    retired_at=optional(TIME),
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

_REQUEST = record(
    id=TEXT,
    status=one_of("pending_approval", "pending", "issued", "failed", "rejected"),
    common_name=TEXT,
    names=array(TEXT),
    profile=TEXT,
    requester=TEXT,
    created_at=TIME,
    until=optional(TIME),
    needed=COUNT,
    approved=COUNT,
    decisions=array(record(by=TEXT, at=TIME, approved=FLAG, reason=TEXT)),
)
SCHEMAS: dict[str, Schema] = {
    "authority init": array(CA),
    "authority ca list": array(CA),
    "authority ca show": CA,
    "authority ca import": CA,
    "authority ca renew": CA,
    "authority ca replace": record(
        name=TEXT,
        replacement=TEXT,
        steps=array(record(verb=one_of("create", "certify", "move", "retire"), what=TEXT, name=TEXT)),
        written=FLAG,
        next=array(TEXT),
    ),
    "authority ca delete": record(deleted=TEXT, key=TEXT),
    "authority ca crl": record(name=TEXT, next_update=optional(TIME), revoked=COUNT),
    "authority ca enable": SWITCHED,
    "authority ca disable": SWITCHED,
    "authority ceiling": DOCUMENT,
    "authority apply": record(steps=array(record(verb=TEXT, what=TEXT, name=TEXT)), written=FLAG),
    "authority changes": array(
        record(
            id=TEXT,
            at=TIME,
            identity=record(id=TEXT, name=TEXT),
            action=one_of("create", "change", "delete"),
            kind=TEXT,
            object=record(id=TEXT, name=TEXT),
            before=optional(DOCUMENT),
            after=optional(DOCUMENT),
        )
    ),
    "authority external set": record(issuer=TEXT, ceiling=DOCUMENT, changed=FLAG),
    "authority external list": array(record(issuer=TEXT, ceiling=DOCUMENT)),
    "authority external remove": record(issuer=TEXT, changed=FLAG),
    "authority request list": array(_REQUEST),
    "authority request approve": _REQUEST,
    "authority request reject": _REQUEST,
    "authority issuances": array(
        record(
            id=TEXT,
            at=TIME,
            identity=record(id=TEXT, name=optional(TEXT)),
            origin=one_of("api", "acme", "automatic", "command"),
            action=one_of("issue", "renew", "revoke", "approve", "reject", "configure", "import"),
            answer=one_of(
                "issued", "pending", "failed", "refused", "revoked", "approved", "rejected", "changed", "imported"
            ),
            reason=TEXT,
            profile=record(id=TEXT, name=optional(TEXT)),
            application=optional(TEXT),
            names=array(TEXT),
            names_left_out=COUNT,
            request=optional(TEXT),
            certificate=optional(TEXT),
            serial_number=optional(TEXT),
        )
    ),
    "authority certificates": array(
        record(
            id=TEXT,
            status=one_of("active", "expired", "revoked"),
            names=array(TEXT),
            serial_number=TEXT,
            not_before=TIME,
            not_after=TIME,
            profile=record(id=TEXT, name=optional(TEXT)),
            identity=record(id=TEXT, name=optional(TEXT)),
            application=optional(TEXT),
            request=optional(TEXT),
            imported=FLAG,
            revoked_at=optional(TIME),
            reason=optional(TEXT),
            renewed_by=optional(TEXT),
        )
    ),
    "authority project create": record(id=TEXT, project=TEXT, created=FLAG),
    "authority project list": array(record(project=TEXT, id=TEXT)),
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
