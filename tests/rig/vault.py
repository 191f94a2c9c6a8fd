"""A whole vault for tests: real tokens, real databases, the key service as a process of its own.

The API runs in the test's process unless a test asks for the real server; the key service never
does, since it loads the token's module and is killed now and then.
"""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import httpx

from tests.rig.forked import forked_api, forked_kms, forked_worker, killable_kms
from tests.rig.genesis import OFFICERS as OFFICERS
from tests.rig.genesis import PASSPHRASE as PASSPHRASE
from tests.rig.genesis import Origin, be_born, token_place
from tests.rig.ports import free_port as free_port
from tests.rig.postgres import TestDatabase, TestServer, fresh_database
from tests.rig.service import PATIENCE_S, Process
from tests.rig.settings import CALLERS as CALLERS
from tests.rig.settings import MODULE as MODULE
from tests.rig.settings import settings_text
from vault_service.audit.key_file import signing_keys
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import VaultError
from vault_service.kms.protocol.messages import AppKeyIssued, CreateApp, Health, HealthIs
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.process import SCRUBBING
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.settings import Settings, load_settings
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.roles import Side
from vault_service.witness.key import CosigningKey

REPOSITORY = Path(__file__).parent.parent.parent
_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no TLS here: to read authorities for each look takes long
PASSWORD = "seven lamps over the quiet harbour"


def answers(family: int, address: object) -> bool:
    """Does somebody listen there? A look that costs nothing, before one that asks."""
    with socket.socket(family) as caller:
        caller.settimeout(5)
        try:
            caller.connect(address)  # type: ignore[arg-type]  # one of its family
        except OSError:
            return False
    return True


@dataclass
class Vault:
    """One vault and what a test can do to it."""

    home: Path
    keys: TestDatabase
    records: TestDatabase
    fingerprint: str = ""
    app_key: str = field(default="", repr=False)
    break_glass: tuple[str, ...] = field(default=(), repr=False)  # the words that stand on paper
    cosigner: str = ""  # verifier key of the records side's witness
    log_keys: tuple[str, ...] = ()  # of the keys and the records log
    api_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)
    running: dict[str, Process] = field(default_factory=dict)
    dawdle_s: float = 0.0  # of a forked key service between computing and writing wraps

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def console_url(self) -> str:
        """A name: WebAuthn refuses IP addresses."""
        return f"http://localhost:{self.console_port}"

    @property
    def settings_file(self) -> Path:
        return self.home / "vault.toml"

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("VAULT_")}
        return {**plain, "VAULT_HOME": str(self.home), "VAULT_SETTINGS": str(self.settings_file), **SCRUBBING}

    def socket(self, caller: str) -> str:
        return f"unix:{self.home}/{caller}.sock"

    # --- making one

    def prepare(self) -> None:
        """Tokens, genesis, settings: once for each vault."""
        origin = self._genesis()
        self.fingerprint, self.break_glass = origin.fingerprint, origin.break_glass
        self.copy_policies()
        cosigner = CosigningKey.generate("records.example.org/witness")
        cosigner.save(self.home / "cosigner.key")
        self.cosigner = cosigner.verifier().format()
        self.log_keys = self.read_log_keys()
        self.write_settings()

    def _genesis(self) -> Origin:
        return be_born(self.home, self.keys)

    def read_log_keys(self) -> tuple[str, ...]:
        db = self.keys.open("vault_auditor_keys", size=1)
        try:
            return signing_keys(db.run(load_chain), fingerprint=self.fingerprint)
        finally:
            db.close()

    def place(self, token: str) -> TokenPlace:
        return token_place(self.home, token)

    def copy_policies(self) -> None:
        """The project's own, with the least Argon2 cost, no waiting periods, codes, and the user's page.

        Most tests run no worker, so nothing seals: that must not close the vault of a long session.
        """
        shutil.copytree(REPOSITORY / "policies", self.home / "policies", dirs_exist_ok=True)
        file = self.home / "policies" / "passwords.toml"
        cheap = file.read_text().replace("memory_kib = 65536", "memory_kib = 19456")
        file.write_text(cheap.replace("iterations = 3", "iterations = 2"))
        recovery = self.home / "policies" / "recovery.toml"
        waits = recovery.read_text()
        for kind, seconds in (("regain", 3600), ("disclosure", 86400), ("erasure", 86400)):
            waits = waits.replace(f"\n{kind} = {seconds}\n", f"\n{kind} = 0\n")
        recovery.write_text(waits.replace("\nenabled = false", "\nenabled = true"))
        pages = self.home / "policies" / "pages.toml"
        pages.write_text(pages.read_text().replace("\nenabled = false", "\nenabled = true"))
        sealing = self.home / "policies" / "audit.toml"
        sealing.write_text(sealing.read_text().replace("max_unsealed_s = 300 ", "max_unsealed_s = 86400 "))

    def write_settings(self) -> None:
        self.settings_file.write_text(settings_text(self))

    # --- processes

    def start(self, name: str, *arguments: str) -> Process:
        """Run `vaultctl serve …`."""
        log = self.home / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "vault_service.cli", *arguments],
                env=self.environment,
                cwd=REPOSITORY,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.running[name] = Process(name, popen, log)
        return self.running[name]

    def start_killable_kms(self, call: str, kill_at: int, count_file: Path) -> Process:
        """One that dies after so many steps of a call, once the count file is there."""
        log = self.home / "kms.log"
        return self._forked(
            Process("kms", killable_kms(self.environment, log, call, kill_at, count_file), log)
        )

    def start_forked_kms(self, *, wait: bool = True) -> Process:
        """As `start_kms`, but sooner; its memory is not scrubbed."""
        log = self.home / "kms.log"
        return self._forked(Process("kms", forked_kms(self.environment, log, self.dawdle_s), log), wait=wait)

    def _forked(self, process: Process, *, wait: bool = True) -> Process:
        self.running["kms"] = process
        if wait:
            self.wait_for(self.kms_is_healthy, process)
        return process

    def start_kms(self, *, wait: bool = True) -> Process:
        process = self.start("kms", "serve", "kms")
        if wait:
            self.wait_for(self.kms_is_healthy, process)
        return process

    def start_api(self) -> Process:
        process = self.start("api", "serve", "api")
        self.wait_for(self.api_is_ready, process)
        return process

    def start_forked_api(self) -> Process:
        """As `start_api`, but sooner; its memory is not scrubbed."""
        log = self.home / "api.log"
        self.running["api"] = process = Process("api", forked_api(self.environment, log), log)
        self.wait_for(self.api_is_ready, process)
        return process

    def start_worker(self, side: Side) -> Process:
        """The records side's first: it cosigns for both."""
        name = f"worker_{side}"
        log = self.home / f"{name}.log"
        said = log.stat().st_size if log.exists() else 0
        process = self.start(name, "serve", "worker", "--side", side)
        self.wait_for(lambda: b"worker.ready" in log.read_bytes()[said:], process)
        return process

    def start_forked_worker(self, side: Side, *, name: str = "") -> Process:
        """The same, sooner, and not waited for; `name` tells several of one side apart."""
        name = name or f"worker_{side}"
        log = self.home / f"{name}.log"
        self.running[name] = Process(name, forked_worker(self.environment, log, side), log)
        return self.running[name]

    def kms_is_healthy(self) -> bool:
        if not answers(socket.AF_UNIX, f"{self.home}/operator.sock"):
            return False
        client = kms_client(KmsClientSettings(url=self.socket("operator")))
        try:
            health = client.call(Health(), HealthIs)
        except VaultError:
            return False
        finally:
            client.close()
        return (health.token, health.database, health.audit, health.manifest) == ("ok",) * 4

    def api_is_ready(self) -> bool:
        if not answers(socket.AF_INET, ("127.0.0.1", self.api_port)):
            return False
        try:
            return (
                httpx.get(f"{self.api_url}/readyz", timeout=20, verify=_NOBODY).status_code == httpx.codes.OK
            )
        except httpx.HTTPError:
            return False

    def wait_for(self, condition: Callable[[], bool], process: Process) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if process.popen.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{process.name} did not come up:\n{process.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def create_app(self, name: str = "tests") -> str:
        client = kms_client(KmsClientSettings(url=self.socket("operator")))
        try:
            key = client.call(CreateApp(name), AppKeyIssued).app_key
        finally:
            client.close()
        if not (file := self.home / "user-page.key").exists():
            file.touch(0o600)  # the first app is the users' page as well
            file.write_text(key)
        return key

    def stop_all(self) -> None:
        for process in reversed(list(self.running.values())):
            with contextlib.suppress(ProcessLookupError):
                process.popen.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.stop()


@contextlib.contextmanager
def running_vault(
    home: Path,
    keys: TestDatabase,
    records: TestDatabase,
    before_start: Callable[[Vault], object] = lambda _: None,
    *,
    forked: bool = False,
) -> Iterator[Vault]:
    """A vault with its key service running and one app.

    `forked`: the key service is not begun as in production, which takes two seconds of a processor.
    """
    home.mkdir(mode=0o700)
    vault = Vault(home, keys, records)
    try:
        vault.prepare()
        before_start(vault)
        if forked:
            vault.start_forked_kms()
        else:
            vault.start_kms()
        vault.app_key = vault.create_app()
        yield vault
    finally:
        vault.stop_all()


@contextlib.contextmanager
def vault_of_its_own(
    scratch: Path, postgres: TestServer, before_start: Callable[[Vault], object] = lambda _: None
) -> Iterator[Vault]:
    """One that no other test sees, its services forked."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / keys.name, keys, records, before_start, forked=True) as vault,
    ):
        yield vault


def settings_of(vault: Vault) -> Settings:
    """What the vault's processes read."""
    with patch.dict(os.environ, {"VAULT_SETTINGS": str(vault.settings_file)}):
        return load_settings()
