"""Put together what seals one side's log, and the witness within the records side's worker."""

import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.cosigners import Cosigner, collect, verifier_key
from vault_service.audit.figures import SealingFigures
from vault_service.audit.loop import SealingLoop
from vault_service.audit.sealing import Collect, ProofFor, Sealer, SealerParts
from vault_service.audit.witness_url import WitnessTls
from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.domain.logs import LOGS
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import LogHead, LogHeadIs
from vault_service.policy.rules import Policies
from vault_service.settings import Cosigner as CosignerSettings
from vault_service.settings import RecordsWorker, Witness, WitnessListener, Worker, private_file, read_secret
from vault_service.storage.audit.wakeups import Wakeups
from vault_service.storage.audit.witnessed import store_witnessed
from vault_service.storage.pool import Database
from vault_service.storage.roles import Side
from vault_service.tlog.keys import COSIGNATURE
from vault_service.tlog.note import Signature
from vault_service.witness.server import Listener, ServerTls, TcpListener, UnixListener, WitnessServer
from vault_service.witness.witness import Witness as WitnessCore
from vault_service.witness.witness import open_witness
from vault_service.worker import Task

CONNECTIONS = 4  # turns need one at a time; witnesses that want a proof, and the witness's heads, one more
_COPY_HEADS_S = 2.0


def sealing_loop(
    worker: Worker,
    side: Side,
    db: Database,
    kms: KmsClient,
    policies: Policies,
    registry: CollectorRegistry,
    witnesses: Sequence[Witness],
) -> SealingLoop:
    """One side's. Raises ConfigurationError."""
    cosigners = tuple(cosigner(witness) for witness in witnesses)
    parts = SealerParts(
        log=side,
        db=db,
        kms=kms,
        policy=policies.audit,
        file=CheckpointFile(worker.state_dir),
        figures=SealingFigures(registry, side),
        witnesses=tuple(each.vkey for each in cosigners),
        collect=_collect_from(cosigners, policies.audit.checkpoints.cosignatures),
    )
    wakeups = Wakeups(worker.database.dsn, read_secret(worker.database.password_file), f"seal_{side}")
    return SealingLoop(Sealer(parts), wakeups, policies.audit.sealing.interval_s)


def cosigner(witness: Witness) -> Cosigner:
    """One of [[witnesses]]. Raises ConfigurationError."""
    tls = None
    if witness.url.startswith("https:"):
        key = None if witness.key is None else private_file(witness.key)
        tls = WitnessTls(witness.ca, witness.certificate, key)
    return Cosigner(verifier_key(witness.vkey, key_type=COSIGNATURE), witness.url, tls)


def _collect_from(cosigners: Sequence[Cosigner], need: int) -> Collect:
    def ask(note: str, hint: int, proof_for: ProofFor) -> list[Signature]:
        return collect(cosigners, note, hint, proof_for, need=need)

    return ask


@contextmanager
def sealed_meanwhile(loop: SealingLoop, stop: threading.Event) -> Generator[None]:
    """A thread seals until `stop` is set; at the end raises what refused the database at the start."""
    thread = threading.Thread(target=loop.run, args=(stop,), name="sealing")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    loop.raise_refusal()


class _OwnWitness:
    """The records side's. It begins once it knows the logs' keys, which the key service may have to tell."""

    def __init__(
        self, worker: RecordsWorker, cosigner: CosignerSettings, db: Database, kms: KmsClient
    ) -> None:
        self._state, self._cosigner, self._db, self._kms = worker.state_dir / "witness", cosigner, db, kms
        self._running: tuple[WitnessCore, WitnessServer] | None = None

    def start(self) -> None:
        """Raises ConfigurationError, and UnavailableError while the key service must tell and is away."""
        told = self._cosigner.logs or tuple(
            key for log in LOGS for key in self._kms.call(LogHead(log), LogHeadIs).vkeys
        )
        logs = tuple(verifier_key(key) for key in told)
        witness = open_witness(self._cosigner.key_file, self._state, logs)
        server = WitnessServer(
            witness, [_listener(self._cosigner, each) for each in self._cosigner.listeners]
        )
        try:
            server.start()
        except BaseException:
            witness.close()
            raise
        self._running = (witness, server)

    def run(self) -> None:
        """Every few seconds: start if it is not, and copy what it cosigned to where exports find it."""
        if self._running is None:
            self.start()
        if self._running is not None:
            _copy_heads(self._running[0], self._db)

    def stop(self) -> None:
        """Requests that are under way are answered."""
        if self._running is not None:
            witness, server = self._running
            server.stop()
            witness.close()


@contextmanager
def witnessing(worker: Worker, db: Database, kms: KmsClient) -> Generator[tuple[Task, ...]]:
    """The records side's witness, if it has one, answers meanwhile; gives what there is to do besides.

    Raises ConfigurationError.
    """
    if not isinstance(worker, RecordsWorker) or worker.cosigner is None:
        yield ()
        return
    witness = _OwnWitness(worker, worker.cosigner, db, kms)
    with suppress(UnavailableError):
        witness.start()
    try:
        yield (Task("witness", _COPY_HEADS_S, witness.run, retry_s=0.5),)
    finally:
        witness.stop()


def _listener(cosigner: CosignerSettings, listener: WitnessListener) -> Listener:
    if listener.unix is not None:
        return UnixListener(listener.unix, frozenset(listener.peer_uids or (os.getuid(),)))
    if listener.host is None or listener.port is None:
        raise ConfigurationError(
            "a witness's listener is neither a Unix socket nor a host with a port",
            remedy="Correct [[worker_records.cosigner.listeners]] in vault.toml.",
        )
    tls = cosigner.tls
    if tls is None:
        return TcpListener(listener.host, listener.port)
    shown = ServerTls(tls.certificate, private_file(tls.key), tls.ca)
    return TcpListener(listener.host, listener.port, shown)


def _copy_heads(witness: WitnessCore, db: Database) -> None:
    for head in witness.heads():
        with db.connection() as conn:
            store_witnessed(conn, head.origin, head.size, head.note, datetime.fromtimestamp(head.at, UTC))
