"""Sign a larger head of a log, once it is seen to be an append of the last one that was signed.

The one rule: of two heads that carry this vault's signature and one origin, the larger is an append of
the smaller. Refused are: a smaller tree, the same size with another root, a proof that does not lead
from the last head to this one. The same head is signed again, for a worker that crashed.
"""

import contextlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.domain.audit_errors import CheckpointRefusedError, HeadsDisagreeError
from vault_service.domain.errors import CallerRefusedError, VaultError, WrongTokenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.logs import LogName, origin
from vault_service.domain.manifest import Manifest, PublicKeyGeneration
from vault_service.kms.kept.head import Head
from vault_service.kms.kept.heads import newest
from vault_service.kms.protocol.messages import CheckpointSigned, LogHead, LogHeadIs, SignCheckpoint
from vault_service.kms.service import KeyService
from vault_service.tlog.errors import NoteError, ProofError
from vault_service.tlog.merkle import verify_consistency
from vault_service.tlog.note import ED25519, Note, Signature, VerifierKey, format_note, parse_note, verified


def worker_of(log: LogName) -> str:
    """Who seals a log, and may speak for no other."""
    return f"worker_{log}"


def audit_label(gen: int) -> str:
    """The token's name for a generation of the key that signs both logs."""
    return f"audit/{gen}"


def log_keys(manifest: Manifest, log_name: str) -> tuple[VerifierKey, ...]:
    """Every key that ever signed a log, those that are no more as well."""
    return tuple(_verifier(key, log_name) for key in manifest.keys.audit_signing)


def log_head(service: KeyService, request: LogHead) -> LogHeadIs:
    """What was signed last for a log."""
    heads = service.heads.all(request.log)
    head, name = newest(heads), service.heads.name(request.log)
    signed = [each for _, each in sorted(heads.items()) if each.note is not None]
    given_up = tuple(each.digest(name) for each in signed) if head.note is None else ()
    vkeys: tuple[str, ...] = ()
    with contextlib.suppress(VaultError):  # what the head is must be told even while no manifest is accepted
        vkeys = tuple(key.format() for key in log_keys(service.manifests.current(), name))
    return LogHeadIs(
        key_name=name, origin=origin(name, head.generation), generation=head.generation, size=head.size,
        root=head.root, note=head.note, given_up=given_up, vkeys=vkeys,
    )  # fmt: skip


def sign_checkpoint(service: KeyService, role: str, request: SignCheckpoint) -> CheckpointSigned:
    """Verify, sign, remember; then answer.

    Raises CheckpointRefusedError and CallerRefusedError, with an event; HeadsDisagreeError,
    HeadsUnreadableError, UnavailableError.
    """
    name = service.heads.name(request.log)
    refused: VaultError
    try:
        return CheckpointSigned(_sign(service, role, request, name))
    except (CheckpointRefusedError, CallerRefusedError) as error:
        refused = error
    asked = Head(service.heads.last(request.log).generation, request.size, request.root, None)
    service.record(KeysEvent.CHECKPOINT_REFUSED, digest=asked.digest(name))
    raise refused


def _sign(service: KeyService, role: str, request: SignCheckpoint, name: str) -> str:
    if role != worker_of(request.log):
        raise CallerRefusedError(f"{role} may not speak for the {request.log} log")
    manifest = service.manifests.current()
    now = service.now()
    with service.heads.turn(request.log, now) as turn:
        last = turn.last
        check_signed_here(manifest, name, last)
        asked = Head(last.generation, request.size, request.root, None)
        _check_append(last, asked, request)
        note = _signed(service, manifest, name, asked)
        turn.remember(Head(asked.generation, asked.size, asked.root, note), now)
    return note


def check_signed_here(manifest: Manifest, name: str, head: Head) -> None:
    """A superuser of the keys database can write down any head as signed, but not sign it.

    Raises HeadsDisagreeError.
    """
    if head.note is None:
        return
    try:
        verified(parse_note(head.note), log_keys(manifest, name))
    except NoteError as error:
        raise HeadsDisagreeError(f"a head was written down as signed that was not: {error}") from error


def _check_append(last: Head, asked: Head, request: SignCheckpoint) -> None:
    if asked.is_same_tree(last):
        return
    if asked.size < last.size:
        raise CheckpointRefusedError(f"a head of {last.size} leaves was signed before, this has {asked.size}")
    if asked.size == last.size:
        raise CheckpointRefusedError(f"a head of {last.size} leaves with another root was signed before")
    if request.old_size != last.size:
        raise CheckpointRefusedError(f"the proof must begin at {last.size} leaves, the last head signed")
    try:
        verify_consistency(last.size, last.root, asked.size, asked.root, request.proof)
    except ProofError as error:
        raise CheckpointRefusedError(f"this is no append of the last head signed: {error}") from error


def _signed(service: KeyService, manifest: Manifest, name: str, head: Head) -> str:
    """By the current key first, and by each that is to be retired: who knows only that one goes on."""
    try:
        text = head.checkpoint(name).body()
    except NoteError as error:
        raise CheckpointRefusedError(str(error)) from error
    keys = manifest.keys.audit_signing
    by = [*(key for key in keys if key.state == "current"), *(key for key in keys if key.state == "retiring")]
    return format_note(Note(text, tuple(_signature(service, key, name, text) for key in by)))


def _signature(service: KeyService, key: PublicKeyGeneration, name: str, text: str) -> Signature:
    """Verified with the manifest's key: whoever swapped the token's key must not speak for this vault."""
    label = audit_label(key.gen)
    signature = service.keyring.token.sign(label, text.encode())
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key)).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        raise WrongTokenError(f"key {label} of the online token (another than the manifest names)") from None
    return Signature(name, _verifier(key, name).key_id, signature)


def _verifier(key: PublicKeyGeneration, name: str) -> VerifierKey:
    return VerifierKey(name, ED25519, bytes.fromhex(key.public_key))
