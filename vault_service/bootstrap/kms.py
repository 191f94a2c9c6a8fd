"""The key service put together from its settings; apart from the rest, since it loads PKCS#11."""

import os

import structlog

from vault_service.audit.cosigners import verifier_key
from vault_service.bootstrap.connections import connect, missing
from vault_service.crypto.argon2 import Argon2
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.kms.cases.end import expire_cases
from vault_service.kms.kept.heads import HeadKeeper
from vault_service.kms.kept.restored import RestoredWatch
from vault_service.kms.kept.tombstones import Tombstones
from vault_service.kms.limits.budgets import Budgets
from vault_service.kms.limits.sealing_watch import SealingWatch
from vault_service.kms.manifest import ManifestKeeper
from vault_service.kms.recovery.open_ceremony import give_up_dead
from vault_service.kms.sealing.report_sealed import count_events
from vault_service.kms.server import KmsServer, TlsListener, UnixListener
from vault_service.kms.service import KeyService
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.kms.users.erase import erase_again
from vault_service.kms.wrapping.keyring import Keyring
from vault_service.logs import configure_logging
from vault_service.policy.load import load_policies
from vault_service.process import collect_cycles, harden, scrub_freed_memory, until_told_to_stop
from vault_service.settings import Kms, KmsListener, Settings, Token, private_file, read_secret
from vault_service.tlog.keys import COSIGNATURE
from vault_service.worker import Task, run_tasks

_log = structlog.get_logger("kms")

_CHECK_RESTORED_S = 2.0  # s; four small statements
_GIVE_UP_DEAD_S = 2.0  # s; one small statement
_LOOK_AT_MANIFESTS_S = 1.0  # s; one look at an index
_EXPIRE_CASES_S = 5.0  # s; one small statement
_COUNT_EVENTS_S = 1.0  # s; one statement, of which the policy's limit bounds the cost


def token_place(token: Token) -> TokenPlace:
    """Where a token is."""
    return TokenPlace(token.module, token.label, token.softhsm2_conf, token.state_dir)


def build_key_service(settings: Settings, kms: Kms) -> KeyService:
    """The parts; nothing is opened yet. Raises ConfigurationError."""
    if kms.token.pin_file is None:
        raise ConfigurationError("kms.token.pin_file is not set", remedy="Name the online token's PIN file.")
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    witnesses = tuple(verifier_key(each.vkey, key_type=COSIGNATURE) for each in settings.witnesses)
    db = connect(kms.database, size=kms.threads + 2, name="kms")
    token = OnlineToken(token_place(kms.token), read_secret(kms.token.pin_file), sessions=kms.threads + 2)
    work = policies.passwords.argon2_work
    heads = HeadKeeper(db, fingerprint=settings.manifest_fingerprint, state_dir=kms.state_dir)
    return KeyService(
        db=db,
        keyring=Keyring(token),
        argon2=Argon2(budget_kib=work.memory_budget_kib, queue_wait_s=work.queue_wait_s),
        manifests=ManifestKeeper(
            db, token, policies, fingerprint=settings.manifest_fingerprint, state_dir=kms.state_dir
        ),
        policies=policies,
        budgets=Budgets(policies.limits.budgets),
        tombstones=Tombstones(kms.state_dir),
        heads=heads,
        restored=RestoredWatch(db, heads),
        sealing=SealingWatch(policies.audit.sealing),
        witnesses=witnesses,
    )


def _listener(kms: Kms, listener: KmsListener) -> UnixListener | TlsListener:
    if listener.unix is not None and listener.caller is not None:
        return UnixListener(listener.unix, listener.caller, frozenset(listener.peer_uids or (os.getuid(),)))
    if listener.host is None or listener.port is None or kms.tls is None or kms.tls.ca is None:
        raise ConfigurationError(
            "a [kms] listener is neither unix + caller nor host + port with tls and its ca",
            remedy="The key service listens on Unix sockets, or on TCP with mutual TLS; never in the clear.",
        )
    callers: dict[str, str] = dict(kms.callers_by_certificate)
    key = private_file(kms.tls.key)
    return TlsListener(listener.host, listener.port, kms.tls.certificate, key, kms.tls.ca, callers)


def serve_kms(settings: Settings) -> None:
    """Run the key service until SIGTERM.

    It listens although the token or the database may be away, and says so when asked; it connects
    as soon as they are there.
    """
    if settings.kms is None:
        raise missing("kms")
    scrub_freed_memory()
    configure_logging(settings.log_level)
    harden()
    service = build_key_service(settings, settings.kms)
    server = KmsServer(
        service,
        [_listener(settings.kms, each) for each in settings.kms.listeners],
        threads=settings.kms.threads,
    )
    try:
        service.keyring.token.open()
    except VaultError as error:
        _log.warning("kms.token_away", code=error.code)
    # A restored backup may bring erased users back: before a start, after which nobody of them may sign
    # in, or at any time, and then the database was away before.
    again = Task("erase_again", 60.0, lambda: erase_again(service), retry_s=1.0)
    watches = (
        Task("check_restored", _CHECK_RESTORED_S, service.restored.check),
        Task("count_events", _COUNT_EVENTS_S, lambda: count_events(service)),
        Task("give_up_dead", _GIVE_UP_DEAD_S, lambda: give_up_dead(service)),
        # Not where a request asks: a database that hangs would cost it its 2 s twice.
        Task("look_at_manifests", _LOOK_AT_MANIFESTS_S, service.manifests.look),
        Task("expire_cases", _EXPIRE_CASES_S, lambda: expire_cases(service)),
    )
    for task in (again, *watches):
        try:
            task.run()
        except VaultError as error:
            _log.warning(f"kms.{task.name}_failed", code=error.code)
    server.start()
    collect_cycles()
    _log.info("kms.listening")
    try:
        with until_told_to_stop() as stop:
            # Whoever could make one of them break (a row that nobody foresaw) would else have users served
            # unwatched: by a database put back from a backup, say, or under a manifest that is over.
            run_tasks((again, *watches), stop, ends_with_defect=True)
    finally:  # however it ends: the threads that answer would outlive this one
        server.stop()
        service.db.close()
        service.keyring.token.close()
