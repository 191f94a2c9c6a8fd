"""The calls of an operator at a key service of the test's own process, whose clock the test sets."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from vault_service.domain.manifest import Manifest
from vault_service.domain.rotation import OnlineKind
from vault_service.kms.protocol.rotation_messages import (
    CreateKey,
    DestroyKey,
    GenerationRow,
    MakeKeyCurrent,
    RetireKey,
)
from vault_service.kms.rotation.generations import create_key, make_key_current
from vault_service.kms.rotation.online_keys import fingerprint, generations
from vault_service.kms.rotation.retire import SETTLED, destroy_key, retire_key
from vault_service.kms.service import KeyService, utc_now


def later(service: KeyService, by: timedelta = 2 * SETTLED) -> KeyService:
    """The same one when every other key service has seen the newest manifest."""
    return dataclasses.replace(service, now=lambda: utc_now() + by)


@dataclass(frozen=True)
class Inside:
    """One call a word."""

    service: KeyService

    @property
    def manifest(self) -> Manifest:
        return self.service.manifests.fresh()

    def fingerprint(self, kind: OnlineKind, gen: int) -> str:
        keys = generations(self.manifest.keys, kind)
        return next(fingerprint(key) for key in keys if key.gen == gen)

    def states(self, kind: OnlineKind) -> dict[int, str]:
        return {key.gen: key.state for key in generations(self.manifest.keys, kind)}

    def create(self, kind: OnlineKind) -> GenerationRow:
        return create_key(self.service, CreateKey(kind)).generation

    def make_current(self, kind: OnlineKind, gen: int) -> GenerationRow:
        return make_key_current(self.service, MakeKeyCurrent(kind, gen)).generation

    def next(self, kind: OnlineKind) -> GenerationRow:
        return self.make_current(kind, self.create(kind).gen)

    def retire(self, kind: OnlineKind, gen: int, *, at_once: bool = False) -> GenerationRow:
        service = self.service if at_once else later(self.service)
        return retire_key(service, RetireKey(kind, gen, self.fingerprint(kind, gen))).generation

    def destroy(self, kind: OnlineKind, gen: int, *, at_once: bool = False) -> GenerationRow:
        service = self.service if at_once else later(self.service, 4 * SETTLED)
        return destroy_key(service, DestroyKey(kind, gen, self.fingerprint(kind, gen))).generation
