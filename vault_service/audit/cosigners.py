"""Ask witnesses to cosign a checkpoint: add-checkpoint of C2SP tlog-witness, from the log's side.

A witness belongs to somebody else: nothing that it answers is believed without its signature, and
nothing that it does (or leaves undone) holds up the log for longer than its time-out.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from vault_service.audit.witness_url import Answer, WitnessTls, WitnessUrl
from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.errors import ConfigurationError, UnavailableError, VaultError
from vault_service.logs import Repeated
from vault_service.tlog.add_checkpoint import (
    SIZE_TYPE,
    AddCheckpoint,
    parse_cosignatures,
    parse_cosigned_size,
)
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.cosignature import cosigned_at
from vault_service.tlog.errors import NoteError
from vault_service.tlog.keys import COSIGNATURE, Signature, VerifierKey
from vault_service.tlog.note import Note, parse_note

_log = structlog.get_logger("cosigners")

ProofFor = Callable[[int], Sequence[bytes]]
"""The consistency proof from an old size to the checkpoint's; for size 0 and its own it is empty."""

_TIMEOUT_S = 2.0  # for all exchanges of one cosignature
_GRACE_S = 0.5  # until a thread that does not come back (a name server that hangs) is left alone
_TRIES = 4  # another process of ours may advance the witness in between
_MAX_SKEW_S = 300  # between a witness's clock and ours
_SLOW_S = 0.5  # what a witness that gives nothing may cost each turn
_MOST_REST_S = 60.0


class CosignerUnavailableError(UnavailableError):
    """A witness does not answer as one."""

    code = "service.cosigner_unavailable"
    remedy = "Look at the witness's host, its certificate and its url under [[witnesses]]."


class CosignerRefusedError(VaultError):
    """A witness did not cosign."""

    code = "audit.cosigner_refused"
    remedy = (
        "Status 404: name the log to the witness; 403: its key; 422: verify an export of the log at once."
    )

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status  # HTTP


class CosignerAheadError(CosignerRefusedError):
    """A witness has cosigned more of this log than there is: the log was rolled back, or its end cut off.

    Unless another worker of ours has sealed more meanwhile: compare with the newest checkpoint first.
    """

    code = "audit.cosigner_ahead"
    remedy = (
        "Find out which backup was restored; bring the newer one back, or else "
        "vaultctl audit accept-restore --side keys (or records)."
    )

    def __init__(self, name: str, *, theirs: int, ours: int) -> None:
        super().__init__(f"{name} has cosigned size {theirs}, and the log has {ours}", status=409)
        self.size = theirs


class CosignerForkError(CosignerRefusedError):
    """A witness has cosigned another tree of the same size: the log was forked."""

    code = "audit.cosigner_fork"
    remedy = "Stop both workers; keep the witness's state file, which holds both checkpoints, as evidence."

    def __init__(self, name: str, *, size: int) -> None:
        super().__init__(f"{name} has cosigned another tree of size {size}", status=409)
        self.size = size


class Cosigner:
    """One witness as the log knows it; safe to share between threads, which take turns."""

    def __init__(
        self,
        vkey: VerifierKey,
        url: str,
        tls: WitnessTls | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
        clock: Clock = utc_now,
    ) -> None:
        """`url`: unix:/path, https://host/prefix, or http:// to loopback. Raises ConfigurationError."""
        if vkey.key_type != COSIGNATURE:
            raise ConfigurationError(
                f"the key of the witness {vkey.name} is not one of type 4",
                remedy="Take the line that vaultctl witness keygen printed.",
            )
        self.vkey, self.timeout_s, self._clock = vkey, timeout_s, clock
        self._url = WitnessUrl(url, tls)
        self._turn = threading.Lock()
        self._cosigned: dict[str, int] = {}  # origin -> size
        self._silences = 0  # in a row
        self._rests_until = 0.0  # monotonic
        self.failures = Repeated()  # for the thread that collects

    @property
    def rests(self) -> bool:
        """Whether it kept us waiting for nothing, and is left alone for a while where others suffice."""
        return time.monotonic() < self._rests_until

    def took(self, seconds: float, *, answered: bool) -> None:
        """How long one cosignature took, or the lack of one."""
        if answered or seconds < _SLOW_S:
            self._silences = 0
            return
        self._silences += 1
        rest_s = min(_MOST_REST_S, self.timeout_s * (1 << min(self._silences, 10)))
        self._rests_until = time.monotonic() + rest_s

    def cosign(self, note: str, old_size_hint: int, proof_for: ProofFor) -> Signature:
        """A verified cosignature of this signed checkpoint.

        The hint is the size that the witness is thought to have; what it cosigned for this object
        is known better. Raises CosignerUnavailableError, CosignerRefusedError and what it has below,
        NoteError for a note that is none, and what `proof_for` raises.
        """
        signed = parse_note(note)
        checkpoint = parse_checkpoint(signed.text)
        deadline = time.monotonic() + self.timeout_s
        if not self._turn.acquire(timeout=self.timeout_s):
            raise self._unavailable()
        try:
            old = self._cosigned.get(checkpoint.origin, old_size_hint)
            return self._advance(signed, checkpoint, max(0, min(old, checkpoint.size)), proof_for, deadline)
        finally:
            self._turn.release()

    def _advance(
        self, note: Note, checkpoint: Checkpoint, old: int, proof_for: ProofFor, deadline: float
    ) -> Signature:
        for _ in range(_TRIES):
            request = AddCheckpoint(old, tuple(proof_for(old)), note).format().encode()
            answer = self._post(request, deadline)
            if answer.status == 200:
                signature = self._checked(note, answer.body)
                self._cosigned[checkpoint.origin] = checkpoint.size
                return signature
            if answer.status != 409 or answer.content_type != SIZE_TYPE:
                raise self._refused(answer.status)
            old = self._size_answered(answer, checkpoint, old)
        raise self._refused(409)

    def _post(self, request: bytes, deadline: float) -> Answer:
        try:
            return self._url.post("/add-checkpoint", request, deadline)
        except OSError:  # its words quote addresses
            raise self._unavailable() from None

    def _size_answered(self, answer: Answer, checkpoint: Checkpoint, asked: int) -> int:
        """From which size the witness wants a proof."""
        try:
            size = parse_cosigned_size(answer.body)
        except NoteError:
            raise self._unavailable() from None
        if size > checkpoint.size:
            raise CosignerAheadError(self.vkey.name, theirs=size, ours=checkpoint.size)
        if size == asked == checkpoint.size:
            raise CosignerForkError(self.vkey.name, size=size)
        if size < self._cosigned.get(checkpoint.origin, 0):
            # The witness's state was lost or restored: until now it would have cosigned a fork.
            _log.error("cosigner.went_back", part=self.vkey.name, origin=checkpoint.origin, n=size)
        return size

    def _checked(self, note: Note, body: bytes) -> Signature:
        try:
            signatures = parse_cosignatures(body)
            own = [each for each in signatures if (each.name, each.key_id) == self._line]
            if not own:
                raise NoteError("there is no cosignature by this key")
            at = cosigned_at(self.vkey, note.text, own[0])
        except NoteError as error:
            raise CosignerRefusedError(f"{self.vkey.name}: {error.detail}", status=200) from error
        if abs(at - self._clock().timestamp()) > _MAX_SKEW_S:
            # Its time says until when the log was seen whole: a false one would cover what nobody saw.
            raise CosignerRefusedError(
                f"the clocks of {self.vkey.name} and of this host are more than {_MAX_SKEW_S} s apart",
                status=200,
            )
        return own[0]

    @property
    def _line(self) -> tuple[str, bytes]:
        return self.vkey.name, self.vkey.key_id

    def _refused(self, status: int) -> CosignerRefusedError:
        return CosignerRefusedError(f"{self.vkey.name} answered {status}", status=status)

    def _unavailable(self) -> CosignerUnavailableError:
        return CosignerUnavailableError(f"the witness {self.vkey.name}")


def verifier_key(text: str, *, key_type: int | None = None) -> VerifierKey:
    """A verifier key of the settings. Raises ConfigurationError."""
    try:
        key = VerifierKey.parse(text)
    except NoteError as error:
        raise ConfigurationError(
            f"vkey {text!r}: {error.detail}", remedy="Copy the whole line that vaultctl printed."
        ) from error
    if key_type is not None and key.key_type != key_type:
        raise ConfigurationError(
            f"vkey {text!r} is a key of type {key.key_type}, where one of type {key_type} belongs",
            remedy="Take the line that vaultctl witness keygen printed." if key_type == COSIGNATURE
            else "Take a signing line of audit.vkey.",
        )  # fmt: skip
    return key


Failed = Callable[[Cosigner, VaultError], None]


def log_failure(cosigner: Cosigner, error: VaultError) -> None:
    """Say which witness did not cosign, and why; not at each turn, which may be one a second."""
    if (count := cosigner.failures.failed(error.code)) is None:
        return
    say = _log.error if isinstance(error, CosignerRefusedError) else _log.warning
    say("cosigner.failed", part=cosigner.vkey.name, code=error.code, n=count)


def collect(
    cosigners: Sequence[Cosigner], note: str, old_size_hint: int, proof_for: ProofFor, *,
    need: int | None = None, failed: Failed = log_failure,
) -> list[Signature]:  # fmt: skip
    """The cosignatures of all who give one in time, asked at once; `failed` hears of each other one.

    It takes as long as the slowest time-out at the most; who was silent is asked less and less often as
    long as there are `need` others (by default everybody is asked), so that a dead witness does not slow
    every turn. `proof_for` is called once a size, by one thread at a time. An exception that is no
    VaultError is raised again here.
    """
    awake = [each for each in cosigners if not each.rests]
    if need is not None and len(awake) >= need:
        cosigners = awake
    outcomes: queue.SimpleQueue[tuple[int, Signature | Exception]] = queue.SimpleQueue()
    proofs = _Proofs(proof_for)

    def ask(index: int) -> None:
        try:
            outcomes.put((index, cosigners[index].cosign(note, old_size_hint, proofs)))
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits
            outcomes.put((index, error))

    for index in range(len(cosigners)):
        threading.Thread(target=ask, args=(index,), name="cosigner", daemon=True).start()
    began = time.monotonic()
    found = _gathered(outcomes, len(cosigners), max((each.timeout_s for each in cosigners), default=0.0))
    signatures: list[Signature] = []
    for index, cosigner in enumerate(cosigners):
        at, outcome = found.get(
            index, (time.monotonic(), CosignerUnavailableError(f"the witness {cosigner.vkey.name}"))
        )
        cosigner.took(at - began, answered=not isinstance(outcome, CosignerUnavailableError))
        if isinstance(outcome, Signature):
            signatures.append(outcome)
            if count := cosigner.failures.over():
                _log.info("cosigner.goes_on", part=cosigner.vkey.name, n=count)
        elif isinstance(outcome, VaultError):
            failed(cosigner, outcome)
        else:
            raise outcome
    return signatures


def _gathered(
    outcomes: "queue.SimpleQueue[tuple[int, Signature | Exception]]", count: int, timeout_s: float
) -> dict[int, tuple[float, Signature | Exception]]:
    """When (monotonic) and what."""
    deadline = time.monotonic() + timeout_s + _GRACE_S
    found: dict[int, tuple[float, Signature | Exception]] = {}
    while len(found) < count:
        try:
            index, outcome = outcomes.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[index] = time.monotonic(), outcome
    return found


class _Proofs:
    """Each proof once: most witnesses have the same size, and a proof reads the database."""

    def __init__(self, proof_for: ProofFor) -> None:
        self._proof_for, self._lock = proof_for, threading.Lock()
        self._known: dict[int, Sequence[bytes]] = {}

    def __call__(self, old: int) -> Sequence[bytes]:
        with self._lock:
            if old not in self._known:
                self._known[old] = self._proof_for(old)
            return self._known[old]
