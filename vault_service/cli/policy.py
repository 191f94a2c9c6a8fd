"""`vaultctl policy`: what the files in policies/ put in force, and what this machine affords."""

import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import inspect

from vault_service.bootstrap.recovery import officers_host
from vault_service.cli.output import EXIT_FINDING, JsonOption, note, say, say_rows
from vault_service.crypto.argon2 import SALT_BYTES, Argon2
from vault_service.domain.clock import utc_now
from vault_service.domain.contexts import KdfParams
from vault_service.domain.floors import KDF_CEILING, KDF_FLOOR
from vault_service.policy.load import load_policies
from vault_service.policy.rights import rights
from vault_service.policy.rules import Policies
from vault_service.process import scrub_freed_memory
from vault_service.recovery.trust import trusted_chain
from vault_service.settings import load_settings

PoliciesOption = Annotated[
    Path | None, typer.Option("--policies-dir", help="Folder to check; default: the one in the settings.")
]
Measure = Callable[[KdfParams], float]
"""Milliseconds that one derivation takes while all threads derive."""


def register(app: typer.Typer) -> None:
    """Add `policy check` and `policy calibrate`."""
    commands = typer.Typer(
        name="policy", no_args_is_help=True, help="Check the policies, and find the password cost to set."
    )
    commands.command("check")(check)
    commands.command("calibrate")(calibrate)
    app.add_typer(commands)


def check(policies_dir: PoliciesOption = None, as_json: JsonOption = False) -> None:
    """Check policies/ and show what is in force beside the limits that no file can pass.

    A value outside them is refused with its file and place, and so are officers' rules without the
    separation of duty, with the name of each rule that is missing (exit code 3). On an officers' host the
    quorums are compared with what the officers signed (exit code 1 where a file says less).
    Example: vaultctl policy check
    """
    if policies_dir is not None:
        _show(load_policies(policies_dir), as_json=as_json)
        return
    settings = load_settings()
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    _show(policies, as_json=as_json)
    if settings.recovery is None:
        note("Not compared with the officers' manifest: there is no [recovery] section on this host.")
        return
    with officers_host(settings) as parts:
        weaker = policies.recovery.below_quorum(trusted_chain(parts).newest.quorum)
    for rule in weaker:
        note(f"{rule}: the manifest's number is in force; correct the file.")
    if weaker:
        raise typer.Exit(EXIT_FINDING)


def _show(policies: Policies, *, as_json: bool) -> None:
    numbers, officers = list(in_force(policies)), list(rights(policies.authority))
    if as_json:
        rows = [
            {
                "policy": f"officers.{right.what}", "in_force": ", ".join(right.roles), "least": None,
                "most": None, "rules": right.rules,
            }
            for right in officers
        ]  # fmt: skip
        say_rows([*({**number, "rules": None} for number in numbers), *rows], as_json=True)
        return
    say_rows(numbers, as_json=False)
    sys.stdout.write("\n")
    say_rows(
        [
            {
                "officers_may": right.what,
                "who": ", ".join(right.roles) or "nobody",
                "by_the_rules": ", ".join(right.rules),
            }
            for right in officers
        ],
        as_json=False,
    )
    sys.stdout.write("\nNobody decides what they opened, or what is about their own account.\n")


def in_force(policies: Policies) -> Iterator[dict[str, object]]:
    """A row for each number, with the limits in code; one for each collection's searchable fields."""
    for name in ("passwords", "limits", "sessions", "audit", "recovery", "rotation"):
        yield from _numbers(name, getattr(policies, name))
    for name, rule in policies.collections.items():
        searchable = ", ".join(rule.searchable)
        yield {
            "policy": f"collections.{name}.searchable",
            "in_force": searchable,
            "least": None,
            "most": None,
        }


def _numbers(name: str, rule: msgspec.Struct) -> Iterator[dict[str, object]]:
    shape = inspect.type_info(type(rule))
    for field in shape.fields if isinstance(shape, inspect.StructType) else ():
        value: object = getattr(rule, field.name)
        if isinstance(value, msgspec.Struct):
            yield from _numbers(f"{name}.{field.name}", value)
        elif isinstance(field.type, inspect.IntType | inspect.FloatType):
            least: object = field.type.ge
            if least is None and field.type.gt is not None:
                least = f"above {field.type.gt}"
            most = field.type.le
            yield _number(f"{name}.{field.name}", value, least, most)
        elif isinstance(field.type, inspect.BoolType):
            yield _number(f"{name}.{field.name}", value, None, None)


def _number(name: str, value: object, least: object, most: object) -> dict[str, object]:
    return {"policy": name, "in_force": value, "least": least, "most": most}


def calibrate(
    target_ms: Annotated[int, typer.Option(min=10, max=5000, help="What one sign-in may cost.")] = 250,
    threads: Annotated[
        int | None, typer.Option(min=1, max=64, help="Sign-ins at a time; default: this machine's cores.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the highest Argon2id cost that this machine affords, and print it as TOML.

    Memory comes first, since it is what makes guessing dear (RFC 9106,
    section 4). Run it on the key service's host. A higher cost is taken for
    each password when its user signs in next; a lower one for new ones only.

    \b
    Example:
      vaultctl policy calibrate --target-ms 250
    """
    scrub_freed_memory()  # the allocator that the key service has, with which a derivation takes another time
    at_a_time = threads or os.cpu_count() or 1
    note(f"Measuring with {at_a_time} at a time …")
    params, took_ms = find_cost(
        lambda cost: measure_ms(cost, at_a_time), target_ms, memory_limit_kib(at_a_time)
    )
    toml = (
        f"[argon2id]\nmemory_kib = {params.memory_kib}\niterations = {params.iterations}\nlanes = 1\n"
        f"calibrated = {utc_now():%Y-%m-%d}\n\n"
        f"[argon2_work]\nmemory_budget_kib = {at_a_time * params.memory_kib}\nqueue_wait_s = 5.0"
    )
    document = {
        "memory_kib": params.memory_kib, "iterations": params.iterations, "lanes": params.lanes,
        "threads": at_a_time, "took_ms": round(took_ms), "target_ms": target_ms,
    }  # fmt: skip
    say(document, as_json=as_json, text=f"# {took_ms:.0f} ms each; for policies/passwords.toml\n{toml}")
    if took_ms > target_ms:
        note("Even the least cost that is still called strong takes longer here: use a faster machine.")
        raise typer.Exit(EXIT_FINDING)


def find_cost(measure: Measure, target_ms: float, limit_kib: int) -> tuple[KdfParams, float]:
    """The most memory that three passes stay within the target with, then the most passes.

    The floor, whatever it takes, where even that is too much.
    """
    best, took = KDF_FLOOR, measure(KDF_FLOOR)
    memory = KDF_FLOOR.memory_kib
    while memory <= min(limit_kib, KDF_CEILING.memory_kib):
        cost = KdfParams(memory, 3, KDF_FLOOR.lanes)
        spent = measure(cost)
        if spent > target_ms:
            break
        best, took = cost, spent
        memory = 1 << memory.bit_length()  # 32 MiB, 64 MiB, …
    passes = min(KDF_CEILING.iterations, int(best.iterations * target_ms / took))
    while passes > best.iterations:
        cost = KdfParams(best.memory_kib, passes, KDF_FLOOR.lanes)
        spent = measure(cost)
        if spent <= target_ms:
            return cost, spent
        passes -= 1
    return best, took


def memory_limit_kib(threads: int) -> int:
    """Half of this machine's memory, shared by the threads."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    return total // 2 // threads


def measure_ms(params: KdfParams, threads: int, rounds: int = 3) -> float:
    """The median time of one derivation while so many run at once, as at a busy hour."""
    argon2 = Argon2(budget_kib=threads * params.memory_kib, queue_wait_s=60)

    def one(_: int) -> float:
        begun = time.perf_counter()
        argon2.derive("calibration only", secrets.token_bytes(SALT_BYTES), params)
        return 1000 * (time.perf_counter() - begun)

    with ThreadPoolExecutor(threads) as pool:
        return statistics.median(pool.map(one, range(rounds * threads)))
