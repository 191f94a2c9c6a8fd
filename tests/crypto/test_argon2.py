"""Argon2id: the published values, limits on its cost, and one bound on memory for the whole process."""

import dataclasses
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from argon2.exceptions import HashingError
from argon2.low_level import Type, core, ffi, hash_secret_raw
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.load import load
from vault_service.crypto import argon2 as module
from vault_service.crypto.argon2 import Argon2, check_params, prepare_password
from vault_service.domain.contexts import KdfParams
from vault_service.domain.errors import ConfigurationError, OverloadedError
from vault_service.domain.floors import KDF_CEILING, KDF_FLOOR

UNIT = KDF_FLOOR.memory_kib
CHEAP = KdfParams(UNIT, 2, 1)
SALT = b"sixteen bytes..."
VECTORS = load("argon2id")
PATIENCE_S = 20.0  # how long a test waits for what must happen


def params(units: int) -> KdfParams:
    """A cost that takes so many times the smallest allowed memory."""
    return dataclasses.replace(CHEAP, memory_kib=units * UNIT)


# --- values


def test_the_library_gives_the_rfc_s_value() -> None:
    """Four lanes, a secret and associated data: below our class, which knows none of them."""
    vector = VECTORS["rfc9106"]
    password, salt, secret, data = (
        ffi.new("uint8_t[]", bytes.fromhex(vector[name]))
        for name in ("password", "salt", "secret", "associated_data")
    )
    out = ffi.new("uint8_t[32]")
    context = ffi.new(
        "argon2_context *",
        {
            "version": 0x13, "out": out, "outlen": 32, "pwd": password, "pwdlen": 32, "salt": salt,
            "saltlen": 16, "secret": secret, "secretlen": 8, "ad": data, "adlen": 12,
            "t_cost": vector["iterations"], "m_cost": vector["memory_kib"], "lanes": vector["lanes"],
            "threads": vector["lanes"], "allocate_cbk": ffi.NULL, "free_cbk": ffi.NULL, "flags": 0,
        },
    )  # fmt: skip

    assert core(context, Type.ID.value) == 0
    assert bytes(ffi.buffer(out)).hex() == vector["tag"]


@pytest.mark.parametrize(
    "case", VECTORS["reference"]["cases"], ids=lambda case: f"{case['password']}-{case['salt']}"
)
def test_we_give_the_reference_implementation_s_values(case: dict[str, str]) -> None:
    cost = KdfParams(int(case["memory_kib"]), int(case["iterations"]), 1)
    argon2 = Argon2(budget_kib=cost.memory_kib, queue_wait_s=1)

    assert argon2.derive(case["password"], case["salt"].encode(), cost).hex() == case["tag"]


@pytest.mark.slow
@given(st.text(max_size=40), st.binary(min_size=16, max_size=16), st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_we_agree_with_an_independent_implementation(password: str, salt: bytes, iterations: int) -> None:
    """OpenSSL's, by way of the cryptography package; ours is the reference code, by way of argon2-cffi."""
    cost = KdfParams(UNIT, iterations, 1)
    other = Argon2id(salt=salt, length=32, iterations=iterations, lanes=1, memory_cost=UNIT)

    mine = Argon2(budget_kib=UNIT, queue_wait_s=1).derive(password, salt, cost)

    assert mine == other.derive(unicodedata.normalize("NFC", password).encode())


def test_two_spellings_of_one_password_give_one_key() -> None:
    argon2 = Argon2(budget_kib=UNIT, queue_wait_s=1)

    assert prepare_password("é") == prepare_password("e\u0301") == b"\xc3\xa9"
    assert argon2.derive("caf\u00e9", SALT, CHEAP) == argon2.derive("cafe\u0301", SALT, CHEAP)


def test_each_input_changes_the_key() -> None:
    argon2 = Argon2(budget_kib=2 * UNIT, queue_wait_s=1)
    keys = {
        argon2.derive("one", SALT, CHEAP),
        argon2.derive("One", SALT, CHEAP),
        argon2.derive("one", SALT[::-1], CHEAP),
        argon2.derive("one", SALT, dataclasses.replace(CHEAP, iterations=3)),
        argon2.derive("one", SALT, dataclasses.replace(CHEAP, memory_kib=UNIT + 8)),
    }

    assert len(keys) == 5


# --- limits


OUTSIDE = {
    "less memory than the floor": dataclasses.replace(CHEAP, memory_kib=KDF_FLOOR.memory_kib - 1),
    "more memory than the ceiling": dataclasses.replace(CHEAP, memory_kib=KDF_CEILING.memory_kib + 1),
    "fewer iterations than the floor": dataclasses.replace(CHEAP, iterations=KDF_FLOOR.iterations - 1),
    "more iterations than the ceiling": dataclasses.replace(CHEAP, iterations=KDF_CEILING.iterations + 1),
    "no lane": dataclasses.replace(CHEAP, lanes=0),
    "two lanes": dataclasses.replace(CHEAP, lanes=2),
    "the version with a known weakness": dataclasses.replace(CHEAP, version=0x10),
    "negative memory": dataclasses.replace(CHEAP, memory_kib=-1),
}


@pytest.mark.parametrize("cost", OUTSIDE.values(), ids=OUTSIDE)
def test_a_cost_outside_the_limits_is_refused_before_memory_is_taken(cost: KdfParams) -> None:
    """It comes from a database row, which a superuser may have changed."""
    argon2 = Argon2(budget_kib=UNIT, queue_wait_s=PATIENCE_S)

    with held(argon2, 1), pytest.raises(ConfigurationError):
        argon2.derive("password", SALT, cost)

    assert argon2.derivations == 1  # the one that was held


@pytest.mark.parametrize("cost", [KDF_FLOOR, KDF_CEILING])
def test_the_limits_themselves_are_allowed(cost: KdfParams) -> None:
    check_params(cost)


# --- the bound on memory


class Gate:
    """Stands in the place of the derivation, so that a test decides when each one ends."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[str] = []

    def __call__(self, **arguments: object) -> bytes:
        secret = arguments["secret"]
        assert isinstance(secret, bytes)
        self.begun.append(secret.decode())
        assert self.open.wait(PATIENCE_S)
        return bytes(32)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        threading.Event().wait(0.001)


@contextmanager
def held(argon2: Argon2, units: int) -> Iterator[Gate]:
    """So much memory is in use by one derivation while the block runs."""
    gate = Gate()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(module, "hash_secret_raw", gate)
        holder = pool.submit(argon2.derive, "held", SALT, params(units))
        try:
            eventually(lambda: gate.begun == ["held"])
            yield gate
        finally:
            gate.open.set()
        holder.result(PATIENCE_S)


@pytest.mark.slow
def test_many_threads_never_use_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    argon2 = Argon2(budget_kib=3 * UNIT, queue_wait_s=PATIENCE_S)
    lock, in_use, most = threading.Lock(), 0, 0

    def watched(**arguments: object) -> bytes:
        nonlocal in_use, most
        cost = arguments["memory_cost"]
        assert isinstance(cost, int)
        with lock:
            in_use += cost
            most = max(most, in_use)
        try:
            return hash_secret_raw(**arguments)  # type: ignore[arg-type]  # handed on as it came
        finally:
            with lock:
                in_use -= cost

    monkeypatch.setattr(module, "hash_secret_raw", watched)
    with ThreadPoolExecutor(12) as pool:
        keys = list(pool.map(lambda n: argon2.derive("p", SALT, params(1 + n % 2)), range(24)))

    assert most <= 3 * UNIT
    assert len(set(keys)) == 2
    assert argon2.derivations == 24


def test_who_gets_no_memory_in_time_is_told_when_to_come_back() -> None:
    argon2 = Argon2(budget_kib=UNIT, queue_wait_s=0.05)

    with held(argon2, 1), pytest.raises(OverloadedError) as refused:
        argon2.derive("password", SALT, CHEAP)

    assert refused.value.retry_after_s
    assert refused.value.code == "service.overloaded"
    assert argon2.derive("password", SALT, CHEAP)  # and afterwards there is room again


def test_one_that_could_never_fit_is_refused_at_once() -> None:
    argon2 = Argon2(budget_kib=UNIT, queue_wait_s=3600)

    with pytest.raises(OverloadedError):
        argon2.derive("password", SALT, params(2))


def test_memory_is_given_in_order_of_arrival() -> None:
    """A small request that overtook a large one would let a stream of small ones starve it."""
    argon2 = Argon2(budget_kib=3 * UNIT, queue_wait_s=PATIENCE_S)
    waiting: list[Future[bytes]] = []
    with ThreadPoolExecutor(3) as pool, held(argon2, 2) as gate:
        for place, (name, units) in enumerate([("large", 3), ("small", 1), ("other", 1)], start=1):
            waiting.append(pool.submit(argon2.derive, name, SALT, params(units)))
            eventually(lambda place=place: len(argon2._queue) == place)  # type: ignore[misc]  # bound now

        assert gate.begun == ["held"]  # one unit is free, and nobody jumps the queue
        gate.open.set()
        for future in waiting:
            future.result(PATIENCE_S)

    assert gate.begun[:2] == ["held", "large"]
    assert set(gate.begun[2:]) == {"small", "other"}


def test_one_that_gives_up_does_not_block_those_behind_it() -> None:
    argon2 = Argon2(budget_kib=2 * UNIT, queue_wait_s=0.2)
    with ThreadPoolExecutor(1) as pool, held(argon2, 1) as gate:
        large = pool.submit(argon2.derive, "large", SALT, params(2))
        with pytest.raises(OverloadedError):
            large.result(PATIENCE_S)
        small = pool.submit(argon2.derive, "small", SALT, params(1))
        eventually(lambda: gate.begun == ["held", "small"])
        gate.open.set()
        assert small.result(PATIENCE_S)


def test_a_derivation_that_fails_gives_its_memory_back() -> None:
    argon2 = Argon2(budget_kib=UNIT, queue_wait_s=0.05)
    for _ in range(3):
        with pytest.raises(HashingError):
            argon2.derive("password", b"short", CHEAP)

    assert argon2.derive("password", SALT, CHEAP)
