"""What the files in policies/ say, as frozen objects; floors that no file can lower stand here."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vault_service.domain.case import CASE_KINDS
from vault_service.domain.contexts import KdfParams
from vault_service.domain.floors import KDF_CEILING, KDF_FLOOR, MAX_GUESSES, MIN_CODE_POINTS
from vault_service.domain.manifest import Floors, RecoveryFloors
from vault_service.policy.authority import Authority
from vault_service.policy.page_rules import PagePolicy
from vault_service.policy.recovery_rules import RecoveryPolicy
from vault_service.policy.rotation_rules import RotationPolicy

FieldKind = Literal["text", "name", "phone", "email"]


class Argon2Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cost of a new password wrap."""

    memory_kib: Annotated[int, Meta(ge=KDF_FLOOR.memory_kib, le=KDF_CEILING.memory_kib)]
    iterations: Annotated[int, Meta(ge=KDF_FLOOR.iterations, le=KDF_CEILING.iterations)]
    lanes: Annotated[int, Meta(ge=1, le=1)]
    calibrated: date | None = None  # when vaultctl policy calibrate found it; None: never, or nobody knows

    def params(self) -> KdfParams:
        """The form that wraps are bound to."""
        return KdfParams(self.memory_kib, self.iterations, self.lanes)


class Argon2WorkRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Memory for all derivations of one process at a time."""

    memory_budget_kib: Annotated[int, Meta(ge=KDF_FLOOR.memory_kib)]
    queue_wait_s: Annotated[float, Meta(gt=0, le=60)]


class PasswordPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """policies/passwords.toml."""

    min_code_points: Annotated[int, Meta(ge=MIN_CODE_POINTS, le=128)]
    max_code_points: Annotated[int, Meta(ge=64, le=1024)]
    min_guesses_log10: Annotated[float, Meta(ge=8, le=20)]
    argon2id: Argon2Rule
    argon2_work: Argon2WorkRule


class GuessRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Failures of one login."""

    free: Annotated[int, Meta(ge=0, le=4)]
    first_wait_s: Annotated[float, Meta(ge=1)]
    max_wait_s: Annotated[float, Meta(ge=60, le=86_400)]
    lock_after: Annotated[int, Meta(ge=5, le=MAX_GUESSES)]


class BudgetRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calls of one app, of one calling host, of all who need no app key, of all whose app key is wrong."""

    app_calls_per_s: Annotated[float, Meta(gt=0)]
    app_burst: Annotated[int, Meta(ge=1)]
    host_calls_per_s: Annotated[float, Meta(gt=0)]
    host_burst: Annotated[int, Meta(ge=1)]
    keyless_calls_per_s: Annotated[float, Meta(gt=0)]
    keyless_burst: Annotated[int, Meta(ge=1)]
    refused_keys_per_s: Annotated[float, Meta(gt=0)] = 1.0  # app keys that open nothing: recorded one by one
    refused_keys_burst: Annotated[int, Meta(ge=1)] = 100


class LimitPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """policies/limits.toml."""

    guesses: GuessRule
    budgets: BudgetRule


class SessionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """policies/sessions.toml."""

    idle_timeout_s: Annotated[int, Meta(ge=60, le=86_400)]
    absolute_timeout_s: Annotated[int, Meta(ge=300, le=2_592_000)]
    max_per_user: Annotated[int, Meta(ge=1, le=1000)]


class SealingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How events become leaves of the log, and what happens when they do not."""

    interval_s: Annotated[float, Meta(ge=0.05, le=60)]
    batch: Annotated[int, Meta(ge=1, le=100_000)]
    refresh_s: Annotated[float, Meta(ge=1, le=3600)]
    max_unsealed_events: Annotated[int, Meta(ge=1, le=10_000_000)]
    max_unsealed_s: Annotated[float, Meta(ge=10, le=86_400)]


class CheckpointRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a head counts."""

    cosignatures: Annotated[int, Meta(ge=0, le=16)]


class AuditPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """policies/audit.toml."""

    sealing: SealingRule
    checkpoints: CheckpointRule


class OutboundPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """policies/outbound.toml."""

    allow: tuple[str, ...]  # networks, as in 10.1.2.0/24


class CollectionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One collection; an empty `fields` means any JSON object."""

    searchable: tuple[str, ...]
    fields: dict[str, FieldKind] = {}


class Policies(msgspec.Struct, frozen=True):
    """All of them together."""

    passwords: PasswordPolicy
    limits: LimitPolicy
    sessions: SessionPolicy
    collections: dict[str, CollectionRule]
    audit: AuditPolicy
    outbound: OutboundPolicy
    recovery: RecoveryPolicy
    rotation: RotationPolicy
    pages: PagePolicy
    authority: Authority

    def below(self, floors: Floors) -> tuple[str, ...]:
        """What is weaker than the manifest's floors allow, as file and rule."""
        cost, limits = self.passwords.argon2id, self.limits.guesses
        weaker = {
            f"passwords.toml: memory_kib {cost.memory_kib}": cost.memory_kib < floors.argon2_memory_kib,
            f"passwords.toml: iterations {cost.iterations}": cost.iterations < floors.argon2_iterations,
            f"passwords.toml: min_code_points {self.passwords.min_code_points}": (
                self.passwords.min_code_points < floors.password_code_points
            ),
            f"limits.toml: lock_after {limits.lock_after}": limits.lock_after > floors.guesses_in_a_row,
        }
        if floors.recovery is not msgspec.UNSET:
            weaker |= self._recovery_below(floors.recovery)
        return tuple(rule for rule, is_weaker in weaker.items() if is_weaker)

    def _recovery_below(self, floors: RecoveryFloors) -> dict[str, bool]:
        """Whoever can write to the policies folder could otherwise end the time in which a user objects."""
        weaker: dict[str, bool] = {}
        for kind in CASE_KINDS:
            wait, expiry = self.recovery.waiting_of(kind), self.recovery.expiry_of(kind)
            # A manifest has no floor of its own for the rotation: it follows a key ceremony.
            floor = "key-ceremony" if kind == "escrow-rotation" else kind
            least: int = getattr(floors, f"wait_{floor.replace('-', '_')}_s")
            weaker[f"recovery.toml: waiting_s of {kind} {wait:.15g}"] = wait < least
            weaker[f"recovery.toml: expiry_s of {kind} {expiry:.15g}"] = expiry > floors.expiry_at_most_s
        return weaker
