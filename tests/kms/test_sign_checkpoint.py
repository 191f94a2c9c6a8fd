"""A head is signed only if it is an append of the last one that was signed, and only for its own side."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from tests.kms import chains
from tests.kms.logs import Log, as_caller, ask, forget, last_head, said_by, sign
from tests.rig.postgres import TestServer
from tests.rig.tokens import opened
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.domain.audit_errors import CheckpointRefusedError
from vault_service.domain.errors import (
    CallerRefusedError,
    InvalidInputError,
    UnavailableError,
    VaultError,
    WrongTokenError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.logs import LogName
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.kept.heads import HeadKeeper
from vault_service.kms.protocol.messages import CheckpointSigned, SignCheckpoint
from vault_service.kms.sealing.sign_checkpoint import sign_checkpoint
from vault_service.kms.service import KeyService
from vault_service.kms.token.online import OnlineToken
from vault_service.tlog.merkle import EMPTY_ROOT
from vault_service.tlog.note import ED25519, VerifierKey, parse_note, verified


@dataclass
class Signed:
    """A vault whose keys log has a head of twenty leaves."""

    vault: Vault
    log: Log
    note: str


@pytest.fixture(scope="module")
def signing(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """One vault for this module; each test signs in a log of its own (see `signed`)."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture
def signed(signing: Vault) -> Iterator[Signed]:
    """Twenty leaves signed; everything that was remembered is forgotten afterwards."""
    log = Log().grow_to(20)
    yield Signed(signing, log, sign(signing, log, 0))
    forget(signing)


def refusals(vault: Vault) -> list[bytes]:
    """Digests of the refused heads, the newest first."""
    with vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT digest FROM audit_events WHERE kind = %s ORDER BY event_id DESC",
            (int(KeysEvent.CHECKPOINT_REFUSED),),
        ).fetchall()
    return [bytes(row[0]) for row in rows]  # type: ignore[call-overload]  # bytea


def audit_key(vault: Vault, name: str, gen: int = 1) -> VerifierKey:
    listed = {key.gen: key for key in chains.genesis(vault).keys.audit_signing}
    return VerifierKey(name, ED25519, bytes.fromhex(listed[gen].public_key))


def test_a_signed_head_says_size_and_root_under_the_vaults_own_name(signed: Signed) -> None:
    vault, checkpoint = signed.vault, said_by(signed.note)

    name = f"vault_service/{vault.fingerprint[:32]}/keys"
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (name, 20, signed.log.root())
    (signer,) = verified(parse_note(signed.note), [audit_key(vault, name)])
    assert signer == (audit_key(vault, name), None)


def test_an_append_is_signed_and_becomes_the_last_head(signed: Signed) -> None:
    log = signed.log.grow_to(700)

    note = sign(signed.vault, log, 20)

    head = last_head(signed.vault)
    assert (head.size, head.root, head.note, head.generation) == (700, log.root(), note, 1)
    assert said_by(note).size == 700


def test_the_same_head_is_signed_again_for_a_worker_that_lost_the_answer(signed: Signed) -> None:
    assert sign(signed.vault, signed.log, 20) == signed.note
    assert sign(signed.vault, signed.log, 0) == signed.note, "the request repeated as it was"


def test_the_first_head_of_an_empty_log_can_be_signed(signed: Signed) -> None:
    note = ask(signed.vault, Log().asking(0, "records"))
    assert said_by(note).root == EMPTY_ROOT
    note = ask(signed.vault, Log().grow_to(3).asking(0, "records"))
    assert last_head(signed.vault, "records").note == note


def forged(log: Log, **changes: object) -> SignCheckpoint:
    return msgspec.structs.replace(log.asking(20), **changes)


def smaller(log: Log) -> SignCheckpoint:
    return Log().grow_to(19).asking(0)


def same_size_other_root(log: Log) -> SignCheckpoint:
    return Log().grow_to(20, "another").asking(20)


def fork_with_a_proof_of_its_own(log: Log) -> SignCheckpoint:
    """A fork after ten leaves that proves itself consistent with those ten."""
    fork = log.copy() if log.size <= 10 else Log().grow_to(10)
    return fork.grow_to(30, "another").asking(10)


def fork_that_claims_the_last_head(log: Log) -> SignCheckpoint:
    fork = Log().grow_to(10).grow_to(30, "another")
    return SignCheckpoint("keys", 30, fork.root(), 20, fork.proof(20))


def rewritten_from_nothing(log: Log) -> SignCheckpoint:
    """An empty proof is right only where nothing was signed yet."""
    other = Log().grow_to(30, "another")
    return SignCheckpoint("keys", 30, other.root(), 0, ())


def append_with(log: Log, **changes: object) -> SignCheckpoint:
    return forged(log.copy().grow_to(45), **changes)


ATTACKS: dict[str, Callable[[Log], SignCheckpoint]] = {
    "a smaller tree": smaller,
    "the same size with another root": same_size_other_root,
    "a fork that proves itself from an older size": fork_with_a_proof_of_its_own,
    "a fork that claims to go on from the last head": fork_that_claims_the_last_head,
    "a log written anew": rewritten_from_nothing,
    "another root": lambda log: append_with(log, root=bytes(32)),
    "no proof": lambda log: append_with(log, proof=()),
    "a proof cut short": lambda log: append_with(log, proof=log.copy().grow_to(45).proof(20)[:-1]),
    "a proof with one hash more": lambda log: append_with(
        log, proof=(*log.copy().grow_to(45).proof(20), bytes(32))
    ),
    "an altered proof": lambda log: append_with(
        log, proof=(bytes(32), *log.copy().grow_to(45).proof(20)[1:])
    ),
    "an empty tree with a root": lambda log: SignCheckpoint("keys", 0, bytes(32), 0, ()),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_is_no_append_is_refused_and_the_refusal_is_in_the_log(signed: Signed, attack: str) -> None:
    request = ATTACKS[attack](signed.log)
    before = len(refusals(signed.vault))

    with pytest.raises(CheckpointRefusedError):
        as_caller(signed.vault, "worker_keys").call(request, CheckpointSigned)

    body = f"{said_by(signed.note).origin}\n{request.size}\n{base64.b64encode(request.root).decode()}\n"
    assert refusals(signed.vault)[0] == hashlib.sha256(body.encode()).digest()
    assert len(refusals(signed.vault)) == before + 1
    assert last_head(signed.vault).note == signed.note
    assert sign(signed.vault, signed.log.grow_to(50), 20), "the log goes on"


def test_a_proof_that_begins_elsewhere_is_told_where_to_begin(signed: Signed) -> None:
    """An honest worker that lost an answer asks for the last head, and proves again."""
    with pytest.raises(CheckpointRefusedError, match="must begin at 20 leaves"):
        ask(signed.vault, signed.log.copy().grow_to(40).asking(10))


@pytest.mark.parametrize(("caller", "log"), [("worker_keys", "records"), ("worker_records", "keys")])
def test_a_worker_cannot_have_a_head_of_the_other_side_signed(
    signed: Signed, caller: str, log: LogName
) -> None:
    """Whoever holds one side's host must not begin a fork of the other side's log."""
    request = Log().grow_to(3).asking(0, log)
    with pytest.raises(CallerRefusedError):
        as_caller(signed.vault, caller).call(request, CheckpointSigned)

    name = said_by(signed.note).origin.removesuffix("keys") + log
    body = f"{name}\n3\n{base64.b64encode(request.root).decode()}\n"
    assert refusals(signed.vault)[0] == hashlib.sha256(body.encode()).digest()
    assert last_head(signed.vault, "records").note is None


@pytest.mark.parametrize("caller", ["api", "operator"])
def test_nobody_but_workers_has_heads_signed(signed: Signed, caller: str) -> None:
    with pytest.raises(CallerRefusedError):
        as_caller(signed.vault, caller).call(signed.log.asking(20), CheckpointSigned)


def test_a_log_that_there_is_not_is_refused(signed: Signed) -> None:
    unknown = msgspec.structs.replace(signed.log.asking(20), log="other")
    with pytest.raises(InvalidInputError):
        as_caller(signed.vault, "worker_keys").call(unknown, CheckpointSigned)


def test_of_two_appends_at_once_one_is_signed(signed: Signed) -> None:
    """Two forks that are both appends of the last head: whichever comes second is none of the first."""
    ask(signed.vault, signed.log.asking(0, "records"))
    forks = [signed.log.copy().grow_to(40, what) for what in ("this", "that", "yet another")]

    def attempt(fork: Log) -> str | None:
        try:
            return ask(signed.vault, fork.asking(20, "records"))
        except CheckpointRefusedError:
            return None

    with ThreadPoolExecutor(3) as threads:
        notes = [note for note in threads.map(attempt, forks) if note]

    assert notes == [last_head(signed.vault, "records").note]


def test_of_two_key_services_at_once_one_signs(signed: Signed, tmp_path: Path) -> None:
    """One started by mistake, even on another host with a memory of its own."""
    ask(signed.vault, signed.log.asking(0, "records"))
    forks = [signed.log.copy().grow_to(60, what) for what in ("this", "that", "yet another", "one more")]
    with chains.key_service(signed.vault) as first:
        same_host = with_heads_in(first, signed.vault, signed.vault.home / "state" / "kms")
        other_host = with_heads_in(first, signed.vault, tmp_path)
        services = [first, same_host, other_host, other_host]

        def attempt(service: KeyService, fork: Log) -> str | None:
            while True:
                try:
                    return sign_checkpoint(service, "worker_records", fork.asking(20, "records")).note
                except CheckpointRefusedError:
                    return None
                except UnavailableError:  # another one's turn lasts: a worker asks again
                    continue

        with ThreadPoolExecutor(4) as threads:
            notes = [note for note in threads.map(attempt, services, forks) if note]

    assert notes == [last_head(signed.vault, "records").note]


def with_heads_in(service: KeyService, vault: Vault, folder: Path) -> KeyService:
    """As a process of its own would have it, on this host or on another one."""
    heads = HeadKeeper(service.db, fingerprint=vault.fingerprint, state_dir=folder)
    return replace(service, heads=heads)


def with_new_signing_key(vault: Vault, *, first: str) -> tuple[PublicKeyGeneration, ...]:
    """A second key in the token and a manifest that makes it the current one."""
    token = OnlineToken(vault.place("online"), (vault.home / "online.pin").read_text("ascii").strip())
    opened(token)
    try:
        label = "audit/2"
        public = token.public_key(label) if token.has_key(label) else token.create_signing_key(label)
    finally:
        token.close()
    before = chains.genesis(vault)
    keys: tuple[PublicKeyGeneration, ...] = before.keys.audit_signing
    for state in ("retiring",) if first == "retiring" else ("retiring", first):  # none is skipped
        old = msgspec.structs.replace(keys[0], state=state)
        keys = (old, PublicKeyGeneration(2, "current", public.hex()))
        before = chains.follow(before, keys=msgspec.structs.replace(before.keys, audit_signing=keys))
        chains.put(vault, chains.sign_in_token(vault, before))
    return keys


@pytest.fixture
def rotated(signed: Signed) -> Iterator[Signed]:
    """The signing key's rotation is taken back afterwards."""
    yield signed
    chains.delete(signed.vault, since=2)
    chains.forget(signed.vault)
    chains.restart(signed.vault)


def test_a_new_signing_key_goes_on_from_what_the_old_one_signed_and_both_sign(rotated: Signed) -> None:
    """Whoever knows only the old key can follow, and whoever knows only the new one."""
    keys = with_new_signing_key(rotated.vault, first="retiring")
    chains.restart(rotated.vault)

    note = parse_note(sign(rotated.vault, rotated.log.grow_to(33), 20))

    name = said_by(rotated.note).origin
    for key in keys:
        ((found, _),) = verified(note, [VerifierKey(name, ED25519, bytes.fromhex(key.public_key))])
        assert found.public_key.hex() == key.public_key
    assert note.signatures[0].key_id == VerifierKey(name, ED25519, bytes.fromhex(keys[1].public_key)).key_id
    assert len(note.signatures) == 2


def test_a_key_that_is_no_more_signs_nothing_but_its_last_head_still_counts(rotated: Signed) -> None:
    keys = with_new_signing_key(rotated.vault, first="destroyed")
    chains.restart(rotated.vault)

    with pytest.raises(CheckpointRefusedError):
        ask(rotated.vault, Log().grow_to(33, "another").asking(0))
    note = parse_note(sign(rotated.vault, rotated.log.grow_to(33), 20))

    (signature,) = note.signatures
    name = said_by(rotated.note).origin
    assert signature.key_id == VerifierKey(name, ED25519, bytes.fromhex(keys[1].public_key)).key_id


def test_a_token_with_another_key_than_the_manifest_names_signs_nothing(rotated: Signed) -> None:
    """Whoever puts a key of their own into the token's place must not speak for this vault."""
    keys = with_new_signing_key(rotated.vault, first="retiring")
    swapped = msgspec.structs.replace(keys[1], public_key=keys[0].public_key)
    before = chains.genesis(rotated.vault)
    manifest = chains.follow(
        before, keys=msgspec.structs.replace(before.keys, audit_signing=(keys[0], swapped))
    )
    chains.put(rotated.vault, chains.sign_in_token(rotated.vault, manifest))
    chains.restart(rotated.vault)

    with pytest.raises(WrongTokenError):
        sign(rotated.vault, rotated.log.grow_to(33), 20)
    assert last_head(rotated.vault).note == rotated.note


def test_an_error_of_the_log_crosses_to_the_caller_with_its_remedy(signed: Signed) -> None:
    with pytest.raises(VaultError) as refused:
        ask(signed.vault, Log().grow_to(5).asking(0))
    assert refused.value.code == "audit.checkpoint_refused"
    assert "backup" in refused.value.remedy
