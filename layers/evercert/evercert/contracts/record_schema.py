"""The schema number of a record: releases leave records with a higher one alone."""

from __future__ import annotations

# 1: without the fields for status checks, warnings, rate-limit slots and fixed keys. 2: without those for issuers that
# generate keys, have certificate ids and wait for approvals. 3: without renewal windows and several issuers. 4: without
# rollbacks, `keep-revisions`, probes and acknowledgements. Of outcomes, 3 is plain text and 5 is compressed.
SCHEMA, ADVISED_SCHEMA, PREVIOUS_SCHEMA = 5, 4, 3


def schema_of(*, advised: bool, several_issuers: bool, rolls_back: bool, probed: bool) -> int:
    """Return the schema to write: the oldest that has every attribute, so that older releases can read it.

    `rolls_back`: a rollback is requested or in progress, or the spec has `keep-revisions`. `probed`: the record
    has a probe or late consumers.
    """
    return SCHEMA if rolls_back or probed else ADVISED_SCHEMA if advised or several_issuers else PREVIOUS_SCHEMA
