"""The processes of a vault: what each is started with, in which order, and how to see that it works."""

import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx

from vault_service.dev.child import ChildSpec
from vault_service.dev.cluster import Cluster
from vault_service.dev.configure import kms_socket
from vault_service.dev.home import Home
from vault_service.dev.process import vaultctl
from vault_service.dev.users import Users

_STAGE_DATABASE, _STAGE_KMS, _STAGE_REST = range(3)
_PROBE_TIMEOUT_S = 2.0


def postgres(cluster: Cluster) -> ChildSpec:
    """The database server."""
    return ChildSpec(
        "postgres",
        cluster.command(),
        cluster.run_as,
        _STAGE_DATABASE,
        is_ready=cluster.is_ready,
        before_start=cluster.settle,
        stop_signal=signal.SIGINT,  # fast: ends sessions, writes a checkpoint
        death_signal=signal.SIGQUIT,  # immediate: takes its own children along, as SIGKILL would not
        start_timeout_s=60.0,  # after a kill -9 it replays its log first
    )


def services(
    home: Home, users: Users, *, api_url: str, console_url: str, before_api: Callable[[], None]
) -> tuple[ChildSpec, ...]:
    """The key service, then the API, the console, both workers and the process that waits for a ceremony.

    `before_api`: what the API needs of a key service that answers.
    """
    environment = {name: value for name, value in os.environ.items() if name.startswith("VAULT_")}
    environment |= {"VAULT_HOME": str(home.path), "VAULT_SETTINGS": str(home.settings)}
    return (
        ChildSpec(
            "kms", vaultctl("serve", "kms"), users.kms, _STAGE_KMS,
            is_ready=_connects(kms_socket(home, "operator")), announces="kms.listening",
            environment=environment,
        ),
        ChildSpec(
            "api", vaultctl("serve", "api"), users.api, _STAGE_REST,
            is_ready=lambda: answers(f"{api_url}/healthz"), environment=environment, before_start=before_api,
        ),
        ChildSpec(
            "console", vaultctl("serve", "console"), users.console, _STAGE_REST,
            is_ready=lambda: answers(f"{console_url}/sign-in"), environment=environment,
        ),
        ChildSpec(
            "worker_keys", vaultctl("serve", "worker", "--side", "keys"), users.worker_keys, _STAGE_REST,
            announces="worker.ready", environment=environment,
        ),
        ChildSpec(
            "worker_records", vaultctl("serve", "worker", "--side", "records"), users.worker_records,
            _STAGE_REST, announces="worker.ready", environment=environment,
        ),
        ChildSpec(
            "ceremony", vaultctl("ceremony", "run", "--forever"), users.ceremony, _STAGE_REST,
            announces="ceremony.waiting", environment=environment, works_once=True,
        ),
    )  # fmt: skip


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loopback without TLS: no authorities to read
        return httpx.get(url, timeout=_PROBE_TIMEOUT_S, trust_env=False, verify=nobody).is_success
    except httpx.HTTPError:
        return False


def _connects(path: Path) -> Callable[[], bool]:
    def probe() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
            except OSError:
                return False
        return True

    return probe
