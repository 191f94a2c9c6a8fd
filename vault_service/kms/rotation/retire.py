"""Give up a generation of an online key, and then destroy it in the token: the last two steps of its life.

1. The manifest calls it destroyed. From then on no key service opens or verifies anything with it. Before,
   in the same transaction, everything that needs it is counted, and for what stands in users' rows the
   database itself counts once more under a lock and refuses what would be written with it from then on, also
   by a key service that has not read the new manifest yet (storage/keys/generations.py). What is not in such
   rows (cases, notes) a key service with the older manifest could still make for about a second after another
   generation became current: so a generation is given up only once it has been retiring for longer.
   What a row says of its generation may have been written by whoever rules the database: so a sample of the
   wraps is opened before, here and not by the command, past which a caller of the socket could go.
2. Only when every key service has had the time to read that, the key itself goes: until then one of them
   would miss it and take the token for another vault's.

Both are for one generation that the operator names by number and fingerprint. Either may be repeated after a
crash or a lost answer. The event of the destruction is committed before it: it may be there twice, but
nothing is destroyed without one.
"""

from datetime import datetime, timedelta

from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Manifest
from vault_service.domain.rotation import REWRAPPED, OnlineKind
from vault_service.domain.rotation_errors import (
    FingerprintDiffersError,
    GenerationNeededError,
    GenerationRefusedError,
    UnreadableWrapsError,
)
from vault_service.kms.protocol.rotation_messages import DestroyKey, GenerationIs, RetireKey
from vault_service.kms.rotation.census import needed_by
from vault_service.kms.rotation.generations import (
    append_by_token,
    begin_change,
    find_generation,
    generation_is,
    refusals_recorded,
    since,
    with_states,
)
from vault_service.kms.rotation.online_keys import Generation, fingerprint, label_of
from vault_service.kms.rotation.verify_wraps import failures_of_sample, tell_failures
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import give_up_generation
from vault_service.storage.pool import Conn

SAMPLE = 1000
"""Users whose wraps are opened before a generation is given up; all of fewer."""
_MOST_NAMED = 10

SETTLED = timedelta(seconds=3)
"""Each key service looks for a new manifest every second; one that cannot is refused by the database."""


def retire_key(service: KeyService, request: RetireKey) -> GenerationIs:
    """The manifest calls it destroyed from now on; nothing in the token changes. Again: the same answer.

    For a generation that is retiring, or prepared and not wanted. Raises GenerationNeededError, with what
    needs it, UnreadableWrapsError, FingerprintDiffersError, GenerationRefusedError; each with its event.
    ManifestError, ConcurrentChangeError, UnavailableError.
    """
    kind = request.kind
    recorded = refusals_recorded(service, kind, request.gen, claimed=request.fingerprint)
    with recorded, service.db.transaction() as conn:
        now = service.now()
        newest = begin_change(service, conn)
        key = find_generation(newest, kind, request.gen)
        _demand_fingerprint(kind, key, request.fingerprint)
        if key.state == "destroyed":
            return generation_is(service, conn, kind, key.gen)
        if key.state == "current":
            raise GenerationRefusedError(f"{kind} key {key.gen} is the current one")
        if key.state == "retiring" and kind != "pepper":
            _demand_settled(service, conn, kind, key, now)
        if needed := needed_by(service, conn, kind, key.gen):
            what = ", ".join(f"{number} {name}" for name, number in needed)
            raise GenerationNeededError(f"{kind} key {key.gen} is still needed: {what}")
        give_up_generation(
            conn, kind, key.gen
        )  # before the link: it may take a while, and others wait for that
        if key.state == "retiring" and kind in REWRAPPED:
            _demand_opening(service, conn, newest, key)
        keys = with_states(newest.keys, kind, {key.state: "destroyed"}, gen=key.gen)
        append_by_token(service, conn, newest, keys)
        insert_event(conn, KeysEvent.KEY_RETIRED, now, digest=bytes.fromhex(request.fingerprint))
        retired = generation_is(service, conn, kind, key.gen)
    service.manifests.reload()
    return retired


def destroy_key(service: KeyService, request: DestroyKey) -> GenerationIs:
    """Nobody can use it any more, nor open a backup that needs it. Again: the same answer.

    Raises GenerationRefusedError for one that the manifest does not call destroyed, or only since a moment
    ago, FingerprintDiffersError; each with its event. ManifestError, UnavailableError.
    """
    kind, token = request.kind, service.keyring.token
    recorded = refusals_recorded(service, kind, request.gen, claimed=request.fingerprint)
    with recorded, service.db.transaction() as conn:
        now = service.now()
        newest = begin_change(service, conn)  # one at a time: handles of other processes do not outlive it
        key = find_generation(newest, kind, request.gen)
        _demand_fingerprint(kind, key, request.fingerprint)
        if key.state != "destroyed":
            raise GenerationRefusedError(f"{kind} key {key.gen} is {key.state}: retire it first")
        _demand_settled(service, conn, kind, key, now)
        label = label_of(kind, key.gen)
        if token.has_key(label):
            service.record(KeysEvent.KEY_DESTROYED, digest=bytes.fromhex(request.fingerprint))
            token.destroy_key(label)
        return generation_is(service, conn, kind, key.gen)


def _demand_fingerprint(kind: OnlineKind, key: Generation, claimed: str) -> None:
    if fingerprint(key) != claimed:
        raise FingerprintDiffersError(f"that is not the fingerprint of {kind} key {key.gen}")


def _demand_opening(service: KeyService, conn: Conn, newest: Manifest, key: Generation) -> None:
    """No wrap of a sample fails to open: it may be under this very generation, whatever its row says.

    Every row that names this one would have kept it by now, and none can be written to it any more. The inner
    layers are for a drill: an escrow key is given up by the officers' manifest, and this process has no part
    of the token that could open anything with it.
    """
    failures = failures_of_sample(service, conn, newest, SAMPLE)
    if failures:
        tell_failures(service, failures)
        named = ", ".join(f"user {each.user}: {each.wrap} wrap" for each in failures[:_MOST_NAMED])
        raise UnreadableWrapsError(f"generation {key.gen} is kept: wraps of a sample do not open: {named}")


def _demand_settled(
    service: KeyService, conn: Conn, kind: OnlineKind, key: Generation, now: datetime
) -> None:
    history = service.manifests.verified_chain(conn).history()
    if now - datetime.fromisoformat(since(history, kind, key.gen)) < SETTLED:
        raise GenerationRefusedError(
            f"{kind} key {key.gen} is {key.state} only since a moment ago: other key services may not know "
            f"it yet; try again in {SETTLED.seconds} s"
        )
