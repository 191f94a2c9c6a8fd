"""A worker by hand: takes the batches of every running rotation, one after another."""

import contextlib
import threading
import time
from collections.abc import Iterator
from uuid import UUID

from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import VaultError
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    FinishRotation,
    RewrapBatch,
    RotationIs,
    RotationsAre,
    RotationStatus,
)
from vault_service.settings import KmsClient as KmsClientSettings


class Sweeper:
    def __init__(self, vault: Vault) -> None:
        self.kms = kms_client(KmsClientSettings(url=vault.socket("worker_keys")))
        self.stop = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join(30)
            self.kms.close()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                for row in self.kms.call(RotationStatus(), RotationsAre).rotations:
                    if row.state == "running" and row.kind != "escrow":
                        for first in range(0, 256, 64):
                            low = UUID(bytes=bytes([first]) + bytes(15)) if first else UUID(int=0)
                            high = UUID(bytes=bytes([first + 63]) + b"\xff" * 15)
                            self.kms.call(RewrapBatch(row.rotation_id, low, high), BatchRewrapped)
                        self.kms.call(FinishRotation(row.rotation_id), RotationIs)
            except VaultError:
                pass
            time.sleep(0.05)
