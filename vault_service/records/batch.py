"""Many operations at once: one statement that reads, one that writes everything or nothing."""

from collections.abc import Sequence

from vault_service.domain.errors import InvalidInputError, VaultError, by_code, rebuild
from vault_service.domain.ids import RecordId
from vault_service.domain.tokens import SessionToken
from vault_service.records.answers import Request, Step, Written, hash_key, keep, recall
from vault_service.records.draft import check_draft
from vault_service.records.operations import MAX_OPERATIONS, Operation, Result, encode_operations
from vault_service.records.plan import MOST_BYTES, Plan
from vault_service.records.service import TRIES, RecordParts, commit, demand_own_password, give_up
from vault_service.records.write import begin_change, replayed
from vault_service.sessions.open import Session


def batch(
    parts: RecordParts,
    token: SessionToken,
    operations: Sequence[Operation],
    *,
    atomic: bool,
    idempotency_key: str | None,
) -> tuple[Result, ...]:
    """Carry out up to 1,000 operations in order, all in one transaction.

    What is refused for one operation stands in its result and does not hold up the others; if
    `atomic`, nothing is done and it is raised, with `index`. What is to be read or changed beyond
    MOST_BYTES is refused with BatchFullError. Raises MustChangePasswordError,
    IdempotencyConflictError, ConcurrentChangeError, SessionRefusedError.
    """
    if len(operations) > MAX_OPERATIONS:
        raise InvalidInputError("operations", f"more than {MAX_OPERATIONS}")
    key_hash = hash_key(idempotency_key)
    records = _wanted(operations)
    for _ in range(TRIES):
        now = parts.now()
        session, loaded = begin_change(
            parts, token, now, records=records, key_hash=key_hash, most_bytes=MOST_BYTES
        )
        if any(each.op != "create" for each in operations):
            demand_own_password(session)
        plan = Plan(session.keys, parts.collections, loaded.records, now)
        request = None
        if key_hash is not None:
            asked = encode_operations(operations, atomic=atomic)
            request = Request(key_hash, b"records.batch", asked)
        once = None
        if request is not None and loaded.answer is not None:
            steps = recall(parts, session, request, loaded.answer)
            pairs = zip(operations, steps, strict=True)
            results = tuple(_again(parts, plan, each, step) for each, step in pairs)
        else:
            results = tuple(plan.run(each) for each in operations)
            if atomic:
                _refuse_whole(parts, session, plan, results)
            done = zip(operations, results, strict=True)
            once = keep(session, request, [_step(plan, each, result) for each, result in done])
        change = plan.change(once)
        if not change.events and once is None:
            return results
        if commit(parts, session, change, now):
            return results
    raise give_up()


def _wanted(operations: Sequence[Operation]) -> list[RecordId]:
    """Each record once, in the order of the operations; last those that only go, which need not be opened."""
    named = [(each.record, each.op) for each in operations if each.record is not None]
    opened = dict.fromkeys(record for record, op in named if op != "delete")
    return list(opened | dict.fromkeys(record for record, _ in named))


def _refuse_whole(parts: RecordParts, session: Session, plan: Plan, results: Sequence[Result]) -> None:
    for index, result in enumerate(results):
        if result.error is not None:
            evidence = plan.refusals()
            if evidence.events:
                commit(parts, session, evidence, parts.now())
            result.error.index = index
            raise result.error


def _step(plan: Plan, operation: Operation, result: Result) -> Step:
    if result.error is not None:
        return Step(error=result.error.code, collection=plan.collection_of(operation.record))
    record = result.record
    if record is None or operation.op == "read":
        return Step()
    return Step(
        Written(record.record, record.collection, record.version, record.created_at, record.updated_at)
    )


def _again(parts: RecordParts, plan: Plan, operation: Operation, step: Step) -> Result:
    if operation.op == "read":
        return plan.run(operation)
    if step.error is not None:
        return Result(operation.op, error=_same_error(parts, operation, step.error, step.collection))
    if step.written is None:
        return Result(operation.op)
    draft = check_draft(parts.collections, step.written.collection, operation.fields or b"")
    return Result(operation.op, replayed(step, draft))


def _same_error(parts: RecordParts, operation: Operation, code: str, collection: str | None) -> VaultError:
    """The first refusal: of the operation's own form in the same words, of all else in its only ones."""
    try:
        operation.check()
        if operation.op == "update" and collection is not None:
            operation.check_stays(collection)
        if operation.fields is not None:
            check_draft(parts.collections, collection or operation.collection or "", operation.fields)
    except VaultError as error:
        if error.code == code:
            return error
    return rebuild(code, (by_code(code).__doc__ or code).splitlines()[0], None)
