"""`vaultctl doctor` on rotation: what is due, what was left halfway, what does not open."""

from collections.abc import Iterator

from vault_service.bootstrap.connections import operator_client
from vault_service.cli.finding import Finding, warning
from vault_service.domain.errors import ConfigurationError, KmsUnavailableError, VaultError
from vault_service.domain.rotation import KEY_KINDS, KeyKind
from vault_service.policy.load import load_policies
from vault_service.rotation.next_step import counted, next_step
from vault_service.rotation.status import Status, read_status
from vault_service.settings import Settings


def examine_rotation(settings: Settings) -> Iterator[Finding]:
    """On the operator's host; reads only."""
    if settings.operator is None:
        return
    try:
        policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
        with operator_client(settings) as kms:
            status = read_status(kms, policies.rotation.cryptoperiod_days)
    except (ConfigurationError, KmsUnavailableError):
        return  # another finding says it
    except VaultError as error:
        yield Finding("rotation", False, error.detail, error.remedy)
        return
    yield from judge(status)


def judge(status: Status) -> Iterator[Finding]:
    """What is due, then kind by kind what is to be done."""
    late = [each for each in status.due if each.is_due(status.at)]
    for each in late:
        yield warning(
            f"{each.kind}: cryptoperiod", f"{each.what} is due since {each.at:%Y-%m-%d}", each.command
        )
    if not late:
        known = [each for each in status.due if each.at is not None]
        first = min(known, key=lambda each: each.at or status.at, default=None)
        detail = (
            "nothing is due" if first is None else f"nothing is due before {first.at:%Y-%m-%d} ({first.kind})"
        )
        yield Finding("cryptoperiods", True, detail)
    for kind in KEY_KINDS:
        yield from _of_kind(status, kind)


def _of_kind(status: Status, kind: KeyKind) -> Iterator[Finding]:
    check = f"{kind}: rotation"
    for row in status.of(kind):
        if row.in_token is False and row.state != "destroyed":
            yield Finding(
                f"{kind}: token", False, f"generation {row.gen} ({row.state}) is not in the token",
                "Put the token's backup back: what needs this key cannot be opened without it.",
            )  # fmt: skip
        elif row.in_token and row.state == "destroyed":
            again = f"vaultctl rotate retire {kind} {row.gen} --confirm {row.fingerprint}"
            yield warning(check, f"generation {row.gen} is given up, and still in the token", again)
    step = next_step(status, kind)
    if step.what == "unreadable":
        needs = [
            counted(status.needs.get((kind, row.gen), ()))
            for row in status.of(kind)
            if row.state == "retiring"
        ]
        yield Finding(
            check, False, f"{step.text}; the old generation is needed by {', '.join(needs)}", step.command
        )
    elif step.what in {"paused", "needed"}:
        yield warning(check, step.text, step.command)
    elif step.what in {"running", "retire", "prepared"}:
        more = f": {step.command}" if step.command else ""
        yield Finding(check, True, f"{step.text}{more}")
