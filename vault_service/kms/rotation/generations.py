"""Make generations of the online token's keys, and let a new one be current; the rules: domain/key_states.py.

A generation is a key in the token *and* a line of the signed manifest. The key is made first, under the label
of its number. What a crash leaves between the two is a key that no manifest names: whose it is nobody can
tell, since whoever could log in to the token once may have planted it under the label that comes next. So it
is never taken into use: it is destroyed, and a new one made.

One change at a time over all key services, by a lock of the database that goes with the transaction: the key
is made while it is held, so that nobody destroys under its label what a manifest is about to name.
"""

import contextlib
import hashlib
from collections.abc import Generator, Iterable

import msgspec
import structlog

from vault_service.domain.errors import TokenKeyError, TokenUnavailableError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Keys, Manifest, State, manifest_hash
from vault_service.domain.rotation import KEY_KINDS, REWRAPPED, KeyKind, OnlineKind
from vault_service.domain.rotation_errors import (
    FingerprintDiffersError,
    GenerationNeededError,
    GenerationRefusedError,
    RotationBusyError,
    UnreadableWrapsError,
)
from vault_service.kms.protocol.rotation_messages import (
    CreateKey,
    GenerationIs,
    GenerationRow,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
)
from vault_service.kms.rotation.online_keys import (
    Generation,
    demand_in_token,
    fingerprint,
    generations,
    label_of,
    make_generation,
    with_generations,
)
from vault_service.kms.rotation.sign_manifest import append_link
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import one_change_at_a_time
from vault_service.storage.keys.rotations import rotations_under_way
from vault_service.storage.pool import Conn

_log = structlog.get_logger("kms")


def list_generations(service: KeyService, request: ListGenerations) -> GenerationsAre:
    """Every generation of every kind, in the order of kinds and numbers. Raises ManifestError."""
    del request
    with service.db.connection() as conn:
        history = tuple(service.manifests.verified_chain(conn).history())
    rows = (
        _row(service, history, kind, key)
        for kind in KEY_KINDS
        for key in sorted(generations(history[-1].keys, kind), key=lambda key: key.gen)
    )
    return GenerationsAre(tuple(rows))


def create_key(service: KeyService, request: CreateKey) -> GenerationIs:
    """Make the next generation, prepared; where one is prepared already, it is the answer.

    Raises GenerationRefusedError, with an event, when that one is not in the token any more; ManifestError,
    ConcurrentChangeError, UnavailableError.
    """
    kind, token = request.kind, service.keyring.token
    with refusals_recorded(service, kind, None), service.db.transaction() as conn:
        now = service.now()
        newest = begin_change(service, conn)
        before = generations(newest.keys, kind)
        key = next((each for each in before if each.state == "prepared"), None)
        if key is not None:
            _demand_usable(service, kind, key)
            return generation_is(service, conn, kind, key.gen)
        gen = max(each.gen for each in before) + 1
        label = label_of(kind, gen)
        if token.has_key(label):  # told first: what follows may fail, and this stays done
            _log.warning("kms.orphan_key_destroyed", part=label)
            service.record(KeysEvent.KEY_DESTROYED, digest=hashlib.sha256(label.encode()).digest())
            token.destroy_key(label)
        key = make_generation(token, kind, gen)
        _demand_usable(service, kind, key)
        append_by_token(service, conn, newest, with_generations(newest.keys, kind, (*before, key)))
        insert_event(conn, KeysEvent.KEY_CREATED, now, digest=bytes.fromhex(fingerprint(key)))
        made = generation_is(service, conn, kind, gen)
    service.manifests.reload()
    return made


def make_key_current(service: KeyService, request: MakeKeyCurrent) -> GenerationIs:
    """From now on everything new is made with it; the one before is retiring. Again: nothing changes.

    Raises GenerationRefusedError for one that is not prepared, or is not in the token, RotationBusyError
    while wraps are on their way to the one before; with an event. ManifestError, ConcurrentChangeError,
    UnavailableError.
    """
    kind = request.kind
    with refusals_recorded(service, kind, request.gen), service.db.transaction() as conn:
        now = service.now()
        newest = begin_change(service, conn)
        key = find_generation(newest, kind, request.gen)
        if key.state == "current":
            return generation_is(service, conn, kind, key.gen)
        if key.state != "prepared":
            raise GenerationRefusedError(f"{kind} key {key.gen} is {key.state}, not prepared")
        if kind in REWRAPPED and any(row.kind == kind for row in rotations_under_way(conn)):
            raise RotationBusyError(f"a rotation to the {kind} key that is current now is under way")
        _demand_usable(service, kind, key)
        keys = with_states(newest.keys, kind, {"current": "retiring"})
        keys = with_states(keys, kind, {"prepared": "current"}, gen=key.gen)
        append_by_token(service, conn, newest, keys)
        insert_event(conn, KeysEvent.KEY_MADE_CURRENT, now, digest=bytes.fromhex(fingerprint(key)))
        changed = generation_is(service, conn, kind, key.gen)
    service.manifests.reload()
    return changed


# --- shared with retire.py


@contextlib.contextmanager
def refusals_recorded(
    service: KeyService, kind: OnlineKind, gen: int | None, *, claimed: str | None = None
) -> Generator[None]:
    """Commit the event of a refusal, then raise it. Around the transaction, which is taken back.

    The event's digest is the fingerprint that was handed in, or SHA-256 of what was asked for.
    """
    try:
        yield
    except (
        FingerprintDiffersError, GenerationNeededError, GenerationRefusedError, RotationBusyError,
        UnreadableWrapsError,
    ):  # fmt: skip
        asked = hashlib.sha256(f"{kind}/{gen}".encode()).digest()
        digest = asked if claimed is None else bytes.fromhex(claimed)
        service.record(KeysEvent.KEY_CHANGE_REFUSED, digest=digest)
        raise


def begin_change(service: KeyService, conn: Conn) -> Manifest:
    """The manifest that the change follows; until the transaction ends, nobody else makes one."""
    one_change_at_a_time(conn)
    return service.manifests.verified(conn)


def find_generation(manifest: Manifest, kind: OnlineKind, gen: int) -> Generation:
    """Raises GenerationRefusedError."""
    found = next((each for each in generations(manifest.keys, kind) if each.gen == gen), None)
    if found is None:
        raise GenerationRefusedError(f"there is no {kind} key {gen}")
    return found


def with_states(keys: Keys, kind: OnlineKind, moves: dict[State, State], *, gen: int | None = None) -> Keys:
    """The keys after some of one kind, or one of them, have moved."""

    def moved(each: Generation) -> Generation:
        if gen not in (None, each.gen):
            return each
        return msgspec.structs.replace(each, state=moves.get(each.state, each.state))

    return with_generations(keys, kind, tuple(moved(each) for each in generations(keys, kind)))


def append_by_token(service: KeyService, conn: Conn, newest: Manifest, keys: Keys) -> None:
    """A link that changes nothing but keys, under the token's signature alone.

    Raises ManifestError, before anything is signed, when this key service could not work under it.
    """
    now = service.now()
    candidate = msgspec.structs.replace(
        newest,
        serial=newest.serial + 1,
        previous=manifest_hash(newest.encode()).hex(),
        created_at=now.isoformat(timespec="milliseconds"),
        keys=keys,
    )
    service.manifests.check(candidate)
    append_link(service, conn, newest, candidate.encode(), (), now)


def generation_is(service: KeyService, conn: Conn, kind: OnlineKind, gen: int) -> GenerationIs:
    """One as the newest manifest that this transaction sees has it."""
    history = tuple(service.manifests.verified_chain(conn).history())
    key = find_generation(history[-1], kind, gen)
    return GenerationIs(_row(service, history, kind, key), history[-1].serial)


def since(history: Iterable[Manifest], kind: KeyKind, gen: int) -> str:
    """When the manifest was made that first gave a generation the state that it has now; RFC 3339."""
    state, at = None, ""
    for manifest in history:
        found = next((each for each in generations(manifest.keys, kind) if each.gen == gen), None)
        if found is not None and found.state != state:
            state, at = found.state, manifest.created_at
    return at


def _row(service: KeyService, history: tuple[Manifest, ...], kind: KeyKind, key: Generation) -> GenerationRow:
    in_token: bool | None = None
    if kind != "escrow":
        with contextlib.suppress(TokenUnavailableError):
            in_token = service.keyring.token.has_key(label_of(kind, key.gen))
    return GenerationRow(kind, key.gen, key.state, fingerprint(key), since(history, kind, key.gen), in_token)


def _demand_usable(service: KeyService, kind: OnlineKind, key: Generation) -> None:
    try:
        demand_in_token(service.keyring.token, kind, key)
    except TokenKeyError as error:
        refused: VaultError = GenerationRefusedError(
            f"{kind} key {key.gen} cannot be used ({error.detail}): retire it, and have another one made"
        )
        raise refused from None
