"""Takes each safeguard away, one at a time, and asks whether a test notices.

A mutant that survives is a safeguard that nobody would miss: exit code 1. The list stands in docs/promises.md too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.local_stack import ROOT
from tests.mutant import Mutant
from tests.mutants_of_the_authority import AUTHORITY

PACKAGE = ROOT / "layers" / "evercert" / "evercert"
INVENTORY = "tests/contract/test_inventory.py"
ISSUANCE = "tests/unit/test_issuance.py"
SECRETS = "tests/contract/test_secrets_manager.py"
REVIEW = "tests/unit/test_found_by_review.py"
UPKEEP, KEYS_KEPT = "tests/unit/test_upkeep.py", "tests/unit/test_keys_kept.py"
SPEC, CSR = "tests/unit/test_spec.py", "tests/unit/test_csr.py"
ACM, PACE, GATES = (f"tests/contract/test_{name}.py" for name in ("acm", "pace", "gates"))
AROUND = "tests/contract/test_surroundings.py"
BREAKER, DELIVERY = "tests/unit/test_breaker.py", "tests/unit/test_delivery.py"
SWEEP = "tests/contract/test_sweep.py"
WEB, SESSIONS, LOGINS, CREDENTIALS, INFISICAL = (
    f"tests/contract/test_{name}.py" for name in ("web", "sessions", "logins", "credentials", "infisical")
)
ELSEWHERE = "tests/unit/test_made_elsewhere.py"
FOUND_AGAIN, WEAKNESSES = "tests/contract/test_infisical_found_again.py", "tests/contract/test_weaknesses.py"
LEFT_ALONE, TAKEN_BACK, ODD_ANSWERS = (
    f"tests/contract/test_infisical_{name}.py" for name in ("left_alone", "taken_back", "odd_answers")
)
CRASH = "tests/crash/test_crash_matrix.py::test_death_at_any_call_changes_nothing_in_the_end[issuance]"


MUTANTS = [
    Mutant("claim condition", "aws/dynamodb/inventory.py", "(NOT attribute_type(#claim.#until", "(attribute_exists(#pk) OR NOT attribute_type(#claim.#until", INVENTORY),
    Mutant("fence", "aws/dynamodb/inventory.py", '"#claim.#id = :mine"', '"attribute_exists(#claim) OR #claim.#id = :mine"', INVENTORY),
    Mutant("saved chain", "issuance/run.py", 'self.ports.inventory.update(self.held, {"pending": pending, "streak": run})', "pass", ISSUANCE),
    Mutant("generation check", "aws/dynamodb/inventory.py", 'update.require_same("generation", held.generation)', "pass", INVENTORY),
    Mutant("request check", "aws/dynamodb/inventory.py", 'update.require_same("requested_at", held.requested_at)', "pass", INVENTORY),
    Mutant("wake check", "aws/dynamodb/inventory.py", 'update.require_same("woken_at", held.woken_at)', "pass", INVENTORY),
    Mutant("now ≥ retry_at", "scheduling/decision.py", "return decision if hold is None or not now < hold <= now + LONGEST_HOLD else Wait(hold)", "return decision", ISSUANCE),
    Mutant("content token", "destinations/secrets_manager.py", "digest(content)))", "self._secret))", SECRETS),
    Mutant(
        "outcome in the transaction", "aws/dynamodb/writes.py",
        "self._client.transact_write_items(TransactItems=writes)",
        "[self._client.transact_write_items(TransactItems=[write]) for write in writes]", CRASH,
    ),
    Mutant(
        "seal before ask", "issuance/obtain.py",
        'self.inventory.update(held, {"revision": revision, "state": "pending", "pending": pending})', "pass", ISSUANCE,
    ),
    Mutant(
        "conditional due_at", "aws/dynamodb/due_index.py", '"due_at = :seen"', '"attribute_not_exists(pk) OR due_at <> :until OR due_at = :seen"',
        "tests/contract/test_due_index.py",
    ),
    Mutant("issuer's attributes only", "aws/dynamodb/inventory.py", "strange = set(changes) - OWNED", "strange = set()", INVENTORY),
    Mutant("newer schema left alone", "aws/dynamodb/inventory.py", "OR #schema <= :schema)", "OR #schema <> :schema OR #schema = :schema)", INVENTORY),
    Mutant("deadline", "aws/clients.py", '"before-call",', '"never",', "tests/contract/test_clients.py"),
    Mutant("fit", "issuance/obtain.py", "if not problems:", "if True:", ISSUANCE),
    Mutant("misfit revoked", "issuance/obtain.py", "opened.issuer.revoke(issued.chain, issued.reference)\n", "pass\n", ISSUANCE),
    Mutant("what is in use is not revoked", "issuance/obtain.py", "if any(delivery.revision", "if False and any(delivery.revision", ISSUANCE),
    Mutant("first deadline of a pending request", "issuance/obtain.py", "min(pending.deadline or answer.deadline, now", "min(answer.deadline, now", ISSUANCE),
    Mutant("refused revocation delays nothing", "issuance/obtain.py", 'done = f"it could not be revoked: {error}"', "raise", ISSUANCE),
    Mutant("shortest poll", "issuance/obtain.py", "max(min(answer.retry_at, deadline), now + SHORTEST_POLL)", "min(answer.retry_at, deadline)", ISSUANCE),
    Mutant("poll before the deadline", "issuance/obtain.py", "min(answer.retry_at, deadline)", "answer.retry_at", ISSUANCE),
    Mutant("longest retry-after", "issuance/conclusion.py", "min(error.retry_after, LONGEST_RETRY_AFTER)", "error.retry_after", ISSUANCE),
    Mutant("write meets a transaction", "aws/dynamodb/writes.py", 'if code(error) != "TransactionConflictException":', "if True:", INVENTORY),
    Mutant("one failing destination stops nobody", "issuance/delivery.py", "this.result.errors[component.key] = Unexpected.of(error)", "raise", ISSUANCE),
    Mutant("unserved request", "issuance/conclusion.py", "retry = now if unserved else retry", "pass", ISSUANCE),
    Mutant(
        "sealed key is the one of the CSR", "issuance/delivery.py", "if private_key.public_bytes() != public_bytes(asked):", "if False:", ISSUANCE,
    ),
    Mutant("only our secret", "destinations/secrets_manager.py", "if tags.get(STACK_TAG) != self._tags[STACK_TAG]:", "if False:", SECRETS),
    Mutant("look before put", "destinations/secrets_manager.py", 'if "AWSCURRENT" in versions.get(token, []):', "if False:", SECRETS),
    Mutant("published only when announced", "issuance/outbox.py", "announcer.announce(outcome)\n", "pass\n", "tests/unit/test_announcing.py"),
    Mutant("a bug's text stays secret", "errors.py", "{type(error).__name__}{place}", "{error!r}{place}", ISSUANCE),
    Mutant("what is seen at a check is said", "issuance/maintenance.py", "return notices.found(attempt, facts, seen, None)", "pass", UPKEEP),
    Mutant("what is lost is issued anew", "issuance/notices.py", 'changes["finding"] = Finding(', 'changes["finding"] = None and Finding(', UPKEEP),
    Mutant("a warning once", "issuance/notices.py", 'changes = {"warned": number}', "changes = {}", UPKEEP),
    Mutant("pause", "issuance/run.py", "if opened.paused:", "if False:", UPKEEP),
    Mutant("a check that is due is not forgotten", "issuance/maintenance.py", "attempt.now if check_due(after, attempt.now) else None", "None", UPKEEP),
    Mutant("loop guard", "scheduling/loop_guard.py", "if len(times) == MOST_UNASKED and", "if False and", KEYS_KEPT),
    Mutant("what is dated back is no loop", "scheduling/loop_guard.py", "max(begins, min(now, begins + _DATED_BACK))", "begins", KEYS_KEPT),
    Mutant("what is handed out again is a loop", "scheduling/loop_guard.py", "min(now, begins + _DATED_BACK)", "now", KEYS_KEPT),
    Mutant("a kept key stays", "issuance/obtain.py", 'if wanted.rotate == "never" and kept', "if False and kept", KEYS_KEPT),
    Mutant("the token is the key's", "contracts/record.py", "{revision}#{digest(asked)}", "{revision}", KEYS_KEPT),
    Mutant("an outcome's number is free", "aws/dynamodb/writes.py", "if refused == [False, True]:", "if False:", INVENTORY),
    Mutant("what rests says so", "aws/dynamodb/inventory.py", '"resting": True if due_at is None else None', '"resting": None', INVENTORY),
    Mutant("the sweep is bound to what it saw", "aws/dynamodb/sweep.py", 'conditions.append(f"attribute_not_exists({name})")', "pass", SWEEP),
    Mutant("a backlog by expiry", "scheduling/checker.py", "rank.get(entry.key, MOST)", "0", "tests/unit/test_checking.py"),
    Mutant("CSR signature", "pki/csr.py", "valid = sound and csr.is_signature_valid", "valid = sound", CSR),
    Mutant("private key in place of a CSR", "pki/csr.py", 'if "PRIVATE KEY-----" in text:', "if False:", CSR),
    Mutant("no CA by CSR", "pki/csr.py", "if constraints.ca:", "if False:", CSR),
    Mutant("unknown critical extension", "pki/csr.py", "if extension.critical:", "if False:", CSR),
    Mutant("beside the CSR", "documents/spec.py", "(problems := _beside(csrs.read(self.csr), self))", "(problems := {})", SPEC),
    Mutant("usage the key can have", "documents/spec.py", "if algorithm is not None and (problem := impossible(self.attributes.key_usages, algorithm)):", "if problem := None:", SPEC),
    Mutant("stored hashes go on to fit", "documents/spec.py", "**{key: value for key, value in later.items() if value},", "**later,", SPEC),
    Mutant("CSR in the hash", "documents/spec.py", '"csr": self.csr and hashlib.sha256(self.csr.encode()).hexdigest(),', '"csr": None,', SPEC),
    Mutant("a CSR is used once", "documents/spec.py", 'return self.csr is None or self.private_key.rotate == "never"', "return True", SPEC),
    Mutant("subject fits", "pki/certificate.py", "if wrong := differences(leaf.subject, attributes):", "if wrong := []:", "tests/unit/test_certificate.py"),
    Mutant("asked usages fit", "pki/certificate.py", "if isinstance(usage, x509.KeyUsage) or asked:", "if isinstance(usage, x509.KeyUsage):", "tests/unit/test_certificate.py"),
    Mutant("given A-labels", "pki/identifiers.py", "if label.startswith(_ACE_PREFIX):", "if False:", "tests/unit/test_identifiers.py"),
    Mutant("no wildcard by mapping", "pki/identifiers.py", 'if "*" in labels:', "if False:", "tests/unit/test_identifiers.py"),
    Mutant("a wish never makes later", "aws/dynamodb/spec_store.py", 'OR #due_at > :at)"', 'OR #due_at <> :at)"', INVENTORY),
    Mutant("a pause stands", "aws/dynamodb/issuer_store.py", 'ConditionExpression="attribute_not_exists(pk)"', 'ConditionExpression="attribute_not_exists(nothing)"', INVENTORY),
    Mutant("unserved requests are left alone", "operations/renew.py", "if record.requested_at is None or record.requested_at == record.served:", "if record.requested_at is None or record.requested_at:", "tests/unit/test_renewing.py"),
    Mutant("nobody else's is adopted", "cli/adoption.py", "if found.get(key, wanted[key]) != wanted[key]:", 'if key == "nothing":', "tests/unit/test_adopting.py"),
    Mutant("only imported certificates are adopted", "cli/adoption.py", 'if certificate.get("Type") != "IMPORTED":', 'if "Type" not in certificate:', "tests/unit/test_adopting.py"),
    Mutant("the temporary queue goes", "cli/event_stream.py", "terminal.notes(box.close())", "pass", "tests/contract/test_inbox.py"),
    Mutant("only stale queues are cleared away", "cli/event_queue.py", "if url is not None and not self._is_stale(url):", 'if url is not None and url == "":', "tests/contract/test_inbox.py"),
    Mutant("usages of what was adopted", "destinations/acm_rules.py", "words.get(oid, oid.dotted_string) for oid in found}", "words[oid] for oid in found if oid in words}", ACM),
    Mutant("only our certificate in ACM", "destinations/acm.py", "if found.get(STACK_TAG) != self._tags[STACK_TAG]:", "if False:", ACM),
    Mutant("look before import", "destinations/acm.py", "if held == bundle.chain.leaf:", "if False:", ACM),
    Mutant("every kind of key is listed", "destinations/acm.py", 'Includes={"keyTypes": rules.KEY_TYPES},', "Includes={},", ACM),
    Mutant("found only by our tags", "destinations/acm.py", "if self._tags.items() <= found.items() and", "if", ACM),
    Mutant("re-import rules before the import", "destinations/acm.py", "rules.require_allowed(held, bundle.chain.leaf)", "pass", ACM),
    Mutant("one family of keys", "destinations/acm.py", "rules.require_family(bundle.chain)", "pass", ACM),
    Mutant("no turn twice", "aws/dynamodb/rate_slots.py", "next_free <= :now OR next_free > :never", "next_free <= :now OR next_free > :now", PACE),
    Mutant("a queue made by a wrong clock", "aws/dynamodb/rate_slots.py", "next_free <= :now OR next_free > :never", "next_free <= :now OR next_free = :never", PACE),
    Mutant("a spoiled queue begins anew", "aws/dynamodb/rate_slots.py", "_behind(wanted), _anew(wanted)", "_behind(wanted)", PACE),
    Mutant("breaker written by one", "aws/dynamodb/circuit_breakers.py", 'update.require_same("shut_until", gate.shut_until)', 'update.require("attribute_not_exists(#nobody)", {}, "nobody")', GATES),
    Mutant("a spoiled breaker does not stay", "aws/dynamodb/circuit_breakers.py", 'if "shut_until" in values:', "if False:", GATES),
    Mutant("external id", "destinations/context.py", "ExternalId=self.stack_id,", "", AROUND),
    Mutant("a role's time comes first", "destinations/context.py", 'there.session.events.register_first("before-call", lambda **_: _have_credentials(there))', "pass", AROUND),
    Mutant("one goes first", "issuance/circuit_breaker.py", "if over and self.gates.shut(gate, gate.failures, now + PROBE):", "if over:", BREAKER),
    Mutant("put off, spread out", "issuance/circuit_breaker.py", 'return until + spread(uid, f"put off until {to_text(until)}", step)', "return until", BREAKER),
    Mutant("ours says nothing of the service", "issuance/circuit_breaker.py", "except (GaveUp, NotYet, ClaimLost, OutOfTime):", "except (NotYet, ClaimLost, OutOfTime):", BREAKER),
    Mutant("a breaker's end is bounded", "issuance/circuit_breaker.py", "over = not now < gate.shut_until <= now + 2 * STEPS[-1]", "over = not now < gate.shut_until", BREAKER),
    Mutant("intent before a first delivery", "issuance/delivery.py", 'return self.note(component, here.model_copy(update={"intended_at": now}))', "return here", DELIVERY),
    Mutant("a lost answer may still appear", "issuance/delivery.py", "self._require_settled(component)\n", "pass\n", DELIVERY),
    Mutant("turn written down", "issuance/delivery.py", "if at - now > LONGEST_SLEEP:", "if False:", DELIVERY),
    Mutant("gone is a first delivery again", "issuance/delivery.py", "            except Gone:", "            except ClaimLost:", DELIVERY),
    Mutant("asked before issuing", "issuance/delivery.py", "destination.preflight(record.spec, record.deliveries.get(component.key, Delivery()))", "pass", DELIVERY),
    Mutant("a turn of a wrong clock", "issuance/delivery.py", "<= at <= now + FARTHEST_TURN:", "<= at:", DELIVERY),
    Mutant("the table's trouble is its own", "issuance/delivery.py", "with suppress(Unavailable, Misconfigured):", "with suppress():", "tests/unit/test_found_by_schedules.py"),
    Mutant("a refusing seal loses nothing", "issuance/delivery.py", "raise Misconfigured(str(error)) from error", "raise", "tests/unit/test_found_by_schedules.py"),
    Mutant("an item that does not parse is said once", "issuance/notices.py", "if item.said == message:", "if False:", ISSUANCE),
    Mutant("a strange name reaches the topic", "contracts/events.py", 'foreign(self.name) or "?"', "self.name", "tests/unit/test_events.py"),
    Mutant("certificates share no place in ACM", "destinations/acm.py", "return self.arn is None\n", "return False\n", "tests/unit/test_document.py"),
    Mutant("no path in a secret's name", "destinations/secrets_manager.py", 'if {".", ".."} & set(self.secret.split("/")):', "if False:", SECRETS),
    Mutant("doctor shows no unknown settings", "operations/diagnosis.py", "label(component) if known else component.type", "label(component)", "tests/unit/test_examining.py"),
    Mutant("a turn is nudged for", "issuance/run.py", "return replace(waiting, again_at=turn)", "return waiting", "tests/unit/test_pacing.py"),
    Mutant("each has its own time", "issuance/delivery.py", "if retry_at is not None and self.by.clock() < retry_at:", "if False:", REVIEW),
    Mutant(
        "looked after while something waits", "issuance/run.py", "return self.steps.upkeep.meanwhile(self._attempt(), opened, decision.until)",
        'return wait(self._attempt(), "waiting", decision.until)', REVIEW,
    ),
    Mutant("renewed for those that can take it", "issuance/delivery.py", "if wishes and reason not in KEPT_UP:", "if wishes:", REVIEW),
    Mutant("a finding is tried at once, and once", "scheduling/decision.py", "error.at < finding.found_at", "error.at <= finding.found_at", REVIEW),
    Mutant(
        "an item says who wrote it", "aws/dynamodb/inventory.py", '{**items.indexed(changes, held.name), "schema": SCHEMA}',
        "items.indexed(changes, held.name)", INVENTORY,
    ),
    Mutant("a repair keeps the ARN", "operations/apply.py", 'update={"uid": current.uid, **kept}', "update={}", "tests/unit/test_applying.py"),
    Mutant("only https", "http_client/client.py", 'if origin.scheme != "https" and not at_home:', "if False:", WEB),
    Mutant("only listed hosts", "http_client/client.py", "if not at_home and not self._hosts.allow(origin):", "if False:", WEB),
    Mutant("loopback is no server", "http_client/client.py", "at_home = self._local and origin.is_loopback", "at_home = origin.is_loopback", WEB),
    Mutant("forbidden networks", "http_client/transport.py", "            if why is not None:", "            if False:", WEB),
    Mutant("an address within an address", "origins.py", "    address = _carried(address)\n", "", WEB),
    Mutant("the address that was looked at", "http_client/transport.py", "connect_tcp(address, port, left,", "connect_tcp(self._resolve(host, port)[0], port, left,", WEB),
    Mutant("connections of our own", "http_client/transport.py", "ssl_context=trusted, network_backend=backend, max", "ssl_context=trusted, max", WEB),
    Mutant("a redirect is refused", "http_client/client.py", "if answer.status in REDIRECTS:", "if False:", WEB),
    Mutant("no redirect is followed", "http_client/transport.py", "follow_redirects=False", "follow_redirects=True", WEB),
    Mutant("largest answer", "http_client/transport.py", "if len(body) > LARGEST_ANSWER:", "if False:", WEB),
    Mutant("end of an attempt", "http_client/transport.py", "return left if timeout is None else min(left, timeout)", "return timeout or left", WEB),
    Mutant("refusals are not repeated", "http_client/retry.py", "return status in BUSY or status >= SERVER_ERRORS", "return status >= 400", WEB),
    Mutant("what may have arrived is not sent twice", "http_client/client.py", "if not trouble.safe and not repeatable:", "if False:", WEB),
    Mutant("last start of an attempt", "http_client/client.py", " or self._web.clock() + wait > last_start:", ":", WEB),
    Mutant("claim outlives a call", "http_client/client.py", "self._web.deadline.require(self._web.attempt_limit, what)", "pass", WEB),
    Mutant("CA bundle", "http_client/trust.py", "trusted = make(cadata=", "trusted = ssl._create_unverified_context() or make(cadata=", WEB),
    Mutant("a credential's address", "aws/secret_reader.py", "    if origin != wanted:", "    if False:", CREDENTIALS),
    Mutant("a credential without an address", "aws/secret_reader.py", 'value.pop("address", None)', 'value.pop("address", address)', CREDENTIALS),
    Mutant("names of credentials", "documents/secret_reference.py", "if not _FORMS[kind].fullmatch(text):", "if False:", "tests/unit/test_references.py"),
    Mutant("a token is renewed in time", "issuers/infisical/session.py", "begun + ttl * 2 / 3 if ttl", "begun + ttl if ttl", SESSIONS),
    Mutant("no renewal beyond the ceiling", "issuers/infisical/session.py", "return self.ceiling is None or now", "return True or now", SESSIONS),
    Mutant("login where a renewal fails", "issuers/infisical/session.py", "except (Unavailable, Misconfigured):\n            return None", "except (Unavailable, Misconfigured):\n            raise", SESSIONS),
    Mutant("login once more", "issuers/infisical/session.py", "if not _is_of_token(answer):", "if True:", SESSIONS),
    Mutant("only a token's errors are a token's", "issuers/infisical/errors.py", '(self.status == FORBIDDEN and self.error == "TokenError")', "self.status == FORBIDDEN", SESSIONS),
    Mutant("a proof does not come back", "issuers/infisical/session.py", "Refusal.of(answer, hide=proof.secrets)", "Refusal.of(answer)", SESSIONS),
    Mutant("hidden before it is cut", "issuers/infisical/errors.py", "foreign(_hidden(message, hide), ALL_WORDS if several else WORDS)", "_hidden(foreign(message, ALL_WORDS if several else WORDS), hide)", SESSIONS),
    Mutant("one login for a server", "issuers/context.py", "if key not in self.sessions:", "if True:", LOGINS),
    Mutant("no stale token is sent", "issuers/infisical/logins/jwt.py", "if expires is not None and expires <= outside.clock():", "if False:", LOGINS),
    Mutant("a token's audience", "issuers/infisical/logins/jwt.py", "if audience is not None and audience not in audiences:", "if False:", LOGINS),
    Mutant("content type signed", "issuers/infisical/logins/aws_iam.py", '{"Content-Type": CONTENT_TYPE, SERVER_ID', "{SERVER_ID", LOGINS),
    Mutant("a refused login is everybody's", "issuance/circuit_breaker.py", "except (Unavailable, LoginRefused):", "except Unavailable:", INFISICAL),
    Mutant("a request is found again", "issuers/infisical/issuer.py", "found = self._lost.asked(request) if request.asked_before else None", "found = None", INFISICAL),
    Mutant("found is what was asked for", "issuers/infisical/recovery.py", "return token_of(self._api.request(handle)) == token", "return bool(self._api.request(handle))", INFISICAL),
    Mutant("a renewal is found again", "issuers/infisical/issuer.py", "if request.asked_before or request.csr is None:", "if False:", INFISICAL),
    Mutant("a lost answer is looked for", "issuers/infisical/issuer.py", "        except AnswerLost:\n            if (found := self._lost.asked(request)) is not None:", "        except AnswerLost:\n            if (found := None) is not None:", INFISICAL),
    Mutant("a renewal for another key", "issuers/infisical/issuer.py", "if not isinstance(answer, Issued) or self._answers.is_of(request, answer.chain):", "if True:", INFISICAL),
    Mutant("a renewal that waits is found", "issuers/infisical/recovery.py", "token = token_of(known) if asked else None", "token = None", FOUND_AGAIN),
    Mutant("a stranger's renewal is not ours", "issuers/infisical/recovery.py", "return issued if self._fits(request, issued) else None", "return issued", FOUND_AGAIN),
    Mutant("a revoked successor is none", "issuers/infisical/recovery.py", 'if newer.get("status") != "active" or', "if", FOUND_AGAIN),
    Mutant("our name is searched first", "issuers/infisical/recovery.py", 'candidates.sort(key=lambda entry: entry.get("commonName") != request.spec.attributes.common_name)', "pass", FOUND_AGAIN),
    Mutant("a foreign key is taken back", "issuers/infisical/issuer.py", "                self._api.revoke(answer.reference, REASON)", "                pass", FOUND_AGAIN),
    Mutant("an approved renewal is looked at", "issuers/infisical/issuer.py", "return answer if request.previous is None else self._own(request, answer)", "return answer", FOUND_AGAIN),
    Mutant("what is issued already is revoked", "issuers/infisical/issuer.py", "            self._api.revoke(certificate_id, REASON)\n        elif", "            pass\n        elif", TAKEN_BACK),
    Mutant("a lost renewal is looked for", "issuers/infisical/issuer.py", "if (found := self._lost.successor(request, previous, asked=True)) is not None:", "if (found := None) is not None:", INFISICAL),
    Mutant("what cannot be read yet is come back for", "issuers/infisical/response_parser.py", "except (Unavailable, Misconfigured, OutOfTime) as error:", "except OutOfTime as error:", FOUND_AGAIN),
    Mutant("what failed at the CA is over", "issuers/infisical/response_parser.py", "raise GaveUp(", "raise Unavailable(", INFISICAL),
    Mutant("a validation is triggered", "issuers/infisical/response_parser.py", "self._api.trigger_validation(request_id)", "pass", INFISICAL),
    Mutant("a request carries its token", "issuers/infisical/request_bodies.py", '"metadata": [*metadata, {"key": TOKEN, "value": request.token}],', '"metadata": metadata,', INFISICAL),
    Mutant("no minutes for a server that reads months", "issuers/infisical/request_bodies.py", '((DAY, "d"), (HOUR, "h")):', '((DAY, "d"), (HOUR, "h"), (HOUR / 60, "m")):', WEAKNESSES),
    Mutant("an issuance is sent once", "issuers/infisical/api.py", 'self._session.call("POST", path, body=body, repeatable=False)', 'self._session.call("POST", path, body=body)', INFISICAL),
    Mutant("what was perhaps asked is looked for", "issuance/obtain.py", "return forget if isinstance(issuer, Forgetter) else None", "return None", FOUND_AGAIN),
    Mutant("taken back right after an outage", "issuance/obtain.py", "if admitted is None or asked is not opened:", "if True:", FOUND_AGAIN),
    Mutant("chain or nothing", "issuers/infisical/response_parser.py", "if len(chain.certificates) == 1 and chain.leaf.issuer != chain.leaf.subject:", "if False:", INFISICAL),
    Mutant("a revoked one is not followed", "issuers/infisical/followed_certificate.py", 'if (status := known.get("status")) != "active":', 'if (status := "active") != "active":', INFISICAL),
    Mutant("names are asked for again", "issuers/infisical/issuer.py", "if isinstance(answer, Refusal) and answer.status == NOT_FOUND:", "if False:", INFISICAL),
    Mutant("asked more and more seldom", "issuers/infisical/response_parser.py", "wait = min(max((taken or soonest) / PATIENCE, soonest), LATEST)", "wait = soonest", INFISICAL),
    Mutant("what is followed is nobody's to revoke", "issuers/infisical/issuer.py", '        self._require_own(f"certificate {certificate_id}")\n', "", LEFT_ALONE),
    Mutant("nor to cancel", "issuers/infisical/issuer.py", '        self._require_own(f"request {handle}")\n', "", LEFT_ALONE),
    Mutant("a successor is what was asked for", "issuers/infisical/recovery.py", "if key is None or misfits(issued.chain, attributes, key.public_bytes(), request.now):", "if key is None:", LEFT_ALONE),
    Mutant("a successor's key is what was asked for", "issuers/infisical/recovery.py", "return request.spec.private_key.known in (None, algorithm_of(issued.chain.public_key))", "return True", LEFT_ALONE),
    Mutant("a successor without a key is none", "issuers/infisical/recovery.py", "            if asked:\n                raise\n            return None", "            raise", LEFT_ALONE),
    Mutant("a renewal that waits may be somebody else's", "issuers/infisical/issuer.py", "if handle.startswith(PERHAPS):\n            raise", "if False:\n            raise", LEFT_ALONE),
    Mutant("somebody else's renewal is not taken", "issuers/infisical/recovery.py", "return answer if self._fits(request, answer) else None", "return answer", LEFT_ALONE),
    Mutant("somebody else's rejection stops nothing", "issuers/infisical/recovery.py", "except (Misconfigured, Rejected, GaveUp):", "except Misconfigured:", LEFT_ALONE),
    Mutant("what waits is not certainly ours", "issuers/infisical/recovery.py", "return replace(answer, handle=handle)", "return answer", LEFT_ALONE),
    Mutant("what is revoked is not revoked again", "issuers/infisical/api.py", "        if self._is_revoked(certificate_id):\n            return\n        path", "        path", TAKEN_BACK),
    Mutant("a revocation is looked for", "issuers/infisical/api.py", "        except Unavailable:\n            if self._is_revoked(certificate_id):", "        except Unavailable:\n            if False:", TAKEN_BACK),
    Mutant("a refused cancel is told", "issuers/infisical/issuer.py", 'raise answer.as_error(f"cancel request {handle}")', "return", TAKEN_BACK),
    Mutant("a cancel without effect is told", "issuers/infisical/issuer.py", 'raise Rejected(f"request {handle} could not be cancelled; cancel it in Infisical")', "return", TAKEN_BACK),
    Mutant("a refused revocation ends no renewal", "issuers/infisical/issuer.py", "with suppress(Rejected, Unavailable, Misconfigured):", "with suppress():", TAKEN_BACK),
    Mutant("a refused read is no refused content", "issuers/infisical/api.py", "raise Misconfigured(str(error)) if isinstance(error, Rejected) else error", "raise error", ODD_ANSWERS),
    Mutant("an unusable key is taken back", "issuers/infisical/response_parser.py", "            return Issued(chain, None, certificate_id, profiled=True)\n", "            raise\n", ODD_ANSWERS),
    Mutant("a late answer is come back for", "issuers/infisical/response_parser.py", "except (Unavailable, Misconfigured, OutOfTime) as error:", "except (Unavailable, Misconfigured) as error:", ODD_ANSWERS),
    Mutant("one chain is one certificate's trouble", "issuers/infisical/response_parser.py", 'raise Busy(f"certificate {certificate_id} came', 'raise Unavailable(f"certificate {certificate_id} came', ODD_ANSWERS),
    Mutant("so is one bundle", "issuers/infisical/response_parser.py", 'raise Busy(f"the bundle', 'raise Unavailable(f"the bundle', ODD_ANSWERS),
    Mutant("the leaf is the first", "issuers/infisical/response_parser.py", "        Chain.from_pem(leaf)  #", "        #", ODD_ANSWERS),
    Mutant("a failed trigger changes nothing", "issuers/infisical/api.py", "with suppress(Unavailable):", "with suppress():", ODD_ANSWERS),
    Mutant("ids at the border", "issuers/infisical/api.py", "return isinstance(value, str) and _ID.fullmatch(value) is not None", "return value is not None", ODD_ANSWERS),
    Mutant("what nobody may look at is no match", "issuers/infisical/recovery.py", "        except Misconfigured:\n            return False", "        except NotImplementedError:\n            return False", ODD_ANSWERS),
    Mutant("a request says how it stands", "issuers/infisical/response_parser.py", "if not isinstance(status, str):", "if False:", ODD_ANSWERS),
    Mutant("an unknown wait is no short one", "issuers/infisical/response_parser.py", "            soonest = SOONEST_UNTOLD\n", "            pass\n", ODD_ANSWERS),
    Mutant("a followed one has its key", "issuers/infisical/followed_certificate.py", 'if known.get("hasPrivateKey") is False:', "if False:", ODD_ANSWERS),
    Mutant("no circle of renewals", "issuers/infisical/followed_certificate.py", "if successor in seen:", "if False:", ODD_ANSWERS),
    Mutant("a line has an end", "issuers/infisical/followed_certificate.py", "if len(seen) > MOST_SUCCESSORS:", "if False:", ODD_ANSWERS),
    Mutant("a line is walked once", "issuers/infisical/followed_certificate.py", "delivered = request.previous.reference if request.previous is not None else None", "delivered = None", ODD_ANSWERS),
    Mutant("a refused login is held", "issuers/infisical/session.py", "if self._refusal is not None and", "if False and", SESSIONS),
    Mutant("a changed credential is tried", "issuers/infisical/session.py", "return proof.fingerprint == self.fingerprint and", "return", SESSIONS),
    Mutant("our metadata is ours", "documents/spec.py", "if RESERVED_METADATA in self.metadata:", "if False:", SPEC),
    Mutant("the issuer's key fits", "issuance/obtain.py", "public_key = issued.private_key.public_bytes()", "public_key = public_bytes(issued.chain.leaf.public_key())", ELSEWHERE),
    Mutant("a nonce where there is no CSR", "issuance/obtain.py", "nonce = str(uuid4())", 'nonce = "0"', ELSEWHERE),
    Mutant("an issuer's key is sealed", "issuance/obtain.py", "if pending.csr is None and answer.private_key is not None:", "if False:", ELSEWHERE),
    Mutant("what was issued elsewhere stays", "issuance/obtain.py", "        elif isinstance(opened.issuer, Revoker):\n            try:\n                opened.issuer.revoke(issued", "        if isinstance(opened.issuer, Revoker):\n            try:\n                opened.issuer.revoke(issued", ELSEWHERE),
    Mutant("only the same is renewed", "issuance/obtain.py", "return record.facts if same else None", "return record.facts", ELSEWHERE),
    Mutant("said once what it waits for", "issuance/run.py", "pending.waits_for is not None and pending.waits_for != asked.waits_for", "pending.waits_for is not None", ELSEWHERE),
    Mutant("asked signature fits", "pki/certificate.py", "if wanted is not None and signed != wanted:", "if False:", ELSEWHERE),
    Mutant("once is once", "documents/spec.py", "            or self.attributes.not_after is not None\n", "", ELSEWHERE),
    Mutant("a path is no client secret", "cli/infisical_agent/auth_values.py", "return None if _CLIENT_SECRET.fullmatch(text) or", "return None if True or", "tests/unit/test_agent_auth.py"),
    Mutant("a credential has no repr", "documents/secret_reference.py", "value: Mapping[str, Any] = field(repr=False)", "value: Mapping[str, Any] = field()", "tests/unit/test_agent_auth.py"),
    Mutant("a stored credential names its address", "cli/infisical_agent/auth.py", 'return Credential(name, {"address": self._address, **parts})', "return Credential(name, {**parts})", "tests/unit/test_agent_auth.py"),
    Mutant("no login relies on the host", "cli/infisical_agent/auth.py", "            if not isinstance(value, dict):\n                self._problem(", "            if False:\n                self._problem(", "tests/unit/test_agent_auth.py"),
    Mutant("an identity is a UUID", "cli/infisical_agent/auth_values.py", "if key in _IDS and not _UUID.fullmatch(text):", "if False:", "tests/unit/test_agent_auth.py"),
    Mutant("https for tokens", "cli/infisical_agent/translation.py", 'if origin.scheme != "https":', "if False:", "tests/unit/test_agent_document.py"),
    Mutant("no password in an address's mistake", "cli/infisical_agent/translation.py", 'if "@" in text:', "if False:", "tests/unit/test_agent_document.py"),
    Mutant("two profiles never share an issuer", "cli/infisical_agent/names.py", "return text if _PART.fullmatch(text) and not _DIGEST.fullmatch(text) else _digest(text)", "return text", "tests/unit/test_agent_document.py"),
    Mutant("what a host lacks is a mistake to apply", "cli/files.py", "lacking = self.notes if self._form_only else self._mistakes", "lacking = self.notes", "tests/unit/test_agent_files.py"),
    Mutant("one login, one secret", "cli/files.py", "if known != credential:", "if False:", "tests/unit/test_agent_files.py"),
    Mutant("agents mean the same issuer", "cli/files.py", "if self.issuers[name] != definition:", "if False:", "tests/unit/test_agent_files.py"),
    Mutant("a host's file has an end", "cli/infisical_agent/host.py", "if len(content) > LARGEST:", "if False:", "tests/unit/test_agent_files.py"),
    Mutant("another's credential is left alone", "aws/secret_writer.py", 'if {"Key": STACK_TAG, "Value": self._stack} not in found.get("Tags", []):', "if False:", "tests/contract/test_credentials_kept.py"),
    Mutant("a return to an older credential", "aws/secret_writer.py", "str(uuid4())", 'str(__import__("uuid").uuid5(__import__("uuid").NAMESPACE_URL, canonical_json(credential.value)))', "tests/contract/test_credentials_kept.py"),
    Mutant("unset is never", "cli/infisical_agent/entries.py", 'found["renew-before-expiry"] = wish or "never"', 'found |= {"renew-before-expiry": wish} if wish else {}', "tests/unit/test_agent_document.py"),
    Mutant("an agent's unknown keys are mistakes", "cli/infisical_agent/form.py", 'self.problems.append(Problem(here, f"unknown key', 'self.notes.append(Problem(here, f"unknown key', "tests/unit/test_agent_rules.py"),
    Mutant("no output is issued for nothing", "cli/infisical_agent/rules.py", 'if (needed or output in given) and "path" not in given.get(output, {}):', "if False:", "tests/unit/test_agent_rules.py"),
    Mutant("what was followed stays", "issuance/obtain.py", 'return "it was issued elsewhere" if pending.followed else None', "return None", ELSEWHERE),
    Mutant("asked once more after the deadline", "issuance/obtain.py", "        request = _request(record, pending, now, again=again)\n        answer = self", "        if pending.deadline is not None and now > pending.deadline:\n            raise GaveUp(self.give_up(record, pending, opened, nullcontext()))\n        request = _request(record, pending, now, again=again)\n        answer = self", ELSEWHERE),
    Mutant("a wrong clock's deadline ends", "issuance/obtain.py", "deadline = min(pending.deadline or answer.deadline, now + LONGEST_PENDING)", "deadline = pending.deadline or min(answer.deadline, now + LONGEST_PENDING)", ELSEWHERE),
    Mutant("a successor for those that can take it", "issuance/delivery.py", '"revoked", "replaced", "drifted"])', '"revoked", "drifted"])', ELSEWHERE),
    Mutant("usages of a profile", "pki/certificate.py", "and not profiled else", "else", ELSEWHERE),
    Mutant("a mended login is tried", "scheduling/decision.py", " or error.at < (record.woken_at or error.at)", "", INFISICAL),
    Mutant("a profile hands out no other key", "issuers/infisical/issuer.py", "if self.settings.profile is not None:  # who may write specs gains no other key by it", "if False:", INFISICAL),
    Mutant("no private key in the table", "issuers/infisical/settings.py", "if (wrong := trust.problem(value)) is not None:", "if wrong := None:", "tests/unit/test_infisical_settings.py"),
    Mutant("a private key is no CA", "http_client/trust.py", 'if "PRIVATE KEY-----" in ca_bundle:', "if False:", "tests/unit/test_infisical_settings.py"),
    Mutant("words between certificates", "http_client/trust.py", '"\\n".join(_CERTIFICATE.findall(ca_bundle))', "ca_bundle", WEB),
    Mutant("a private CA without key identifiers", "http_client/trust.py", "trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT", "pass", WEB),
    Mutant("an address that is none is not quoted", "aws/secret_reader.py", "its address is none; write {wanted}", "its address {given} is none; write {wanted}", CREDENTIALS),
    Mutant("a user in an address comes first", "origins.py", 'if "@" in address or', 'if "@" in parts.netloc or', "tests/unit/test_origins.py"),
    Mutant("a metadata service of EKS", "origins.py", '"fd00:ec2::23", ', "", "tests/unit/test_origins.py"),
    Mutant("a password may look like a path", "cli/infisical_agent/auth_values.py", "    if key in _FREE:\n        return None\n", "", "tests/unit/test_agent_auth.py"),
    Mutant("the key in place of its file's name", "cli/infisical_agent/auth_values.py", 'if variable == KEY_FILE and not text.lstrip().startswith("{"):', "if variable == KEY_FILE:", "tests/unit/test_agent_auth.py"),
    Mutant("a credential's file is not named", "cli/infisical_agent/auth_values.py", "self._gathered.look(name, place, variable)", "self._gathered.file(name, place, variable)", "tests/unit/test_agent_auth.py"),
    Mutant("what is used of the environment is told", "cli/infisical_agent/auth_values.py", 'self._gathered.notes.append(Problem(place, f"{key} is taken from {variable}"))', "pass", "tests/unit/test_agent_auth.py"),
    Mutant("what another host has is no mistake of form", "cli/infisical_agent/auth_values.py", "self._gathered.absent.append(Problem(place, message))", "self._gathered.problems.append(Problem(place, message))", "tests/unit/test_agent_files.py"),
    Mutant("a key without its id is not stored", "cli/infisical_agent/auth.py", '_OF_A_KEY = ("client_email", "private_key_id", "private_key")', '_OF_A_KEY = ("client_email", "private_key")', "tests/unit/test_agent_auth.py"),
    Mutant("what was refused is told once", "cli/infisical_agent/auth.py", "if (*CONFIG, key) in self._gathered.refused:", "if False:", "tests/unit/test_agent_auth.py"),
    Mutant("no version beside a refused one", "cli/infisical_agent/rules.py", 'if version is None and ("version",) not in refused:', "if version is None:", "tests/unit/test_agent_document.py"),
    Mutant("no secret as an agent's unknown key", "cli/infisical_agent/form.py", 'if key is None and place[:1] == ("auth",) and not is_key(written):', "if False:", "tests/unit/test_agent_auth.py"),
    Mutant("no secret as an unknown key", "issuers/infisical/settings.py", "if is_key(place[-1]):", "if True:", "tests/unit/test_infisical_settings.py"),
    Mutant("no password in YAML's mistakes", "cli/source.py", 'if _MARKED.search(f"{error.context} {error.problem}"):', "if False:", "tests/unit/test_source.py"),
    Mutant("digits as they are written", "cli/infisical_agent/form.py", "value.written if isinstance(value, Whole) else ", "", "tests/unit/test_agent_files.py"),
    Mutant("a digest is no name", "cli/infisical_agent/names.py", " and not _DIGEST.fullmatch(text)", "", "tests/unit/test_agent_document.py"),
    Mutant("a host that ends like a port", "cli/infisical_agent/names.py", "(?![a-z0-9-]*-[0-9]+(?::|$))", "", "tests/unit/test_agent_document.py"),
    Mutant("what an agent would have run is not shown", "operations/apply.py", 'or key.startswith("agent.")', "", "tests/unit/test_agent_plan.py"),
    Mutant("no hook in a record that is shown", "cli/show.py", 'spec["agent"] = sorted(spec["agent"])', "pass", "tests/unit/test_agent_plan.py"),
    Mutant("an agent's dates are no traceback", "documents/spec.py", "except (TypeError, ValueError):  # a date", "except KeyError:  # a date", SPEC),
    *AUTHORITY,
]  # fmt: skip


def notices(mutant: Mutant) -> bool:
    """Whether the tests fail without the safeguard."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "evercert"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / mutant.file
        file.write_text(file.read_text().replace(mutant.with_it, mutant.without))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", mutant.tests]
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    ending = done.stdout.strip().rpartition("\n")[2]
    if done.returncode not in (0, 1) or (
        "error" in ending and "failed" not in ending
    ):  # a broken fixture notices nothing
        sys.exit(f"{mutant.name}: the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def main() -> int:
    """Prints one line for each mutant."""
    suites = sorted({mutant.tests for mutant in MUTANTS})
    if subprocess.run([sys.executable, "-m", "pytest", "-q", "--no-header", *suites], cwd=ROOT, check=False).returncode:
        sys.exit("the tests fail as it is; mend that first")
    survivors = []
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for number, (mutant, noticed) in enumerate(zip(MUTANTS, workers.map(notices, MUTANTS), strict=True), 1):
            print(f"{number:2d}/{len(MUTANTS)}  {'noticed ' if noticed else 'SURVIVED'}  {mutant.name}", flush=True)
            survivors += [] if noticed else [mutant.name]
    print(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
