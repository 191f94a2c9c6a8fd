"""An operator at the key service: generations of keys, one call a word."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.rotation import KeyKind, OnlineKind
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import (
    CensusIs,
    CreateKey,
    DestroyKey,
    GenerationIs,
    GenerationRow,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    RetireKey,
    TakeCensus,
)
from vault_service.settings import KmsClient as KmsClientSettings


@dataclass(frozen=True)
class Operator:
    """Calls the running key service."""

    kms: KmsClient

    @classmethod
    @contextlib.contextmanager
    def of(cls, vault: Vault) -> Iterator["Operator"]:
        with contextlib.closing(kms_client(KmsClientSettings(url=vault.socket("operator")))) as kms:
            yield cls(kms)

    def create(self, kind: OnlineKind) -> GenerationRow:
        return self.kms.call(CreateKey(kind), GenerationIs).generation

    def make_current(self, kind: OnlineKind, gen: int) -> GenerationRow:
        return self.kms.call(MakeKeyCurrent(kind, gen), GenerationIs).generation

    def next(self, kind: OnlineKind) -> GenerationRow:
        """A new generation, current."""
        return self.make_current(kind, self.create(kind).gen)

    def all(self, kind: KeyKind) -> tuple[GenerationRow, ...]:
        rows = self.kms.call(ListGenerations(), GenerationsAre).generations
        return tuple(row for row in rows if row.kind == kind)

    def states(self, kind: KeyKind) -> list[tuple[int, str]]:
        return [(row.gen, row.state) for row in self.all(kind)]

    def census(self, kind: KeyKind, gen: int) -> dict[str, int]:
        return dict(self.kms.call(TakeCensus(kind, gen), CensusIs).needed_by)

    def retire(self, kind: OnlineKind, gen: int) -> GenerationRow:
        return self.kms.call(RetireKey(kind, gen, self.fingerprint(kind, gen)), GenerationIs).generation

    def destroy(self, kind: OnlineKind, gen: int) -> GenerationRow:
        return self.kms.call(DestroyKey(kind, gen, self.fingerprint(kind, gen)), GenerationIs).generation

    def fingerprint(self, kind: OnlineKind, gen: int) -> str:
        return next(row.fingerprint for row in self.all(kind) if row.gen == gen)
