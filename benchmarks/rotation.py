"""Rotations of wraps at size: speed against the floor, memory, linearity, and what users notice of it.

    python -m benchmarks.rotation pepper|escrow|all [--users N,N,..] [--batch N] [--children N] [--home DIR]
    python -m benchmarks.rotation load [--users N] [--rate N] [--seconds N]

Everything is private and gone at the end: a PostgreSQL (durable), soft tokens, a manifest. The report is
markdown. A million users take some 3 GB under --home, and twice that while there is a copy for the floor.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import rotation_escrow, rotation_load, rotation_pepper
from benchmarks.rotation_home import scratch
from vault_service.ceremony.parts import Resealing

_HEADER = """
| kind | users | wraps/s | floor, wraps/s | HMAC or ECDH, s | UPDATE, s | rotation, s | ratio | memory |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def _line(kind: str, found: rotation_pepper.Measured) -> str:
    floor = found.hmac_s + found.update_s
    return (
        f"| {kind} | {found.users:,} | {found.wraps / found.rotation_s:,.0f} | {found.wraps / floor:,.0f}"
        f" | {found.hmac_s:.1f} | {found.update_s:.1f} | {found.rotation_s:.1f} | {found.ratio:.2f}"
        f" | {max(found.memory) / 1024:.0f} MiB, x{found.flat:.2f} |"
    )


def _escrow_line(found: rotation_escrow.Measured) -> str:
    ecdh = statistics.fmean(found.ecdh) * found.users
    update = statistics.fmean(found.update) * found.users
    return (
        f"| escrow | {found.users:,} | {found.users / found.rotation_s:,.0f} | {1 / found.floor:,.0f}"
        f" | {ecdh:.1f} | {update:.1f} | {found.rotation_s:.1f} | {found.ratio:.2f}"
        f" | {max(found.memory) / 1024:.0f} MiB, x{found.flat:.2f} |\n"
        f"| (of a floor whose two parts go on side by side: {found.ratio_beside:.2f};"
        f" of the processors' time: {found.ratio_of_processors:.2f}) | | | | | | | | |"
    )


_LOAD_HEADER = """
| rotation | users/s | sign-ins p50, ms | p99, ms | reads p50, ms | p99, ms | refused | key service | worker |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def _load_line(found: rotation_load.Phase) -> str:
    sign_ins, reads = found.sign_ins, found.reads
    return (
        f"| {found.name} | {found.users_a_second:,.0f}"
        f" | {statistics.median(sign_ins) * 1000:.0f} | {rotation_load.p99_ms(sign_ins):.0f}"
        f" | {statistics.median(reads) * 1000:.1f} | {rotation_load.p99_ms(reads):.1f} | {found.refused}"
        f" | {found.memory['kms'] / 1024:.0f} MiB | {found.memory['worker_keys'] / 1024:.0f} MiB |"
    )


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation")
    parser.add_argument("kind", choices=("pepper", "escrow", "all", "load"))
    parser.add_argument("--users", default="10000,100000,1000000", help="sizes, smallest first")
    parser.add_argument("--batch", type=int, default=500, help="users in one batch")
    parser.add_argument("--rate", type=int, help="load: users a second; default: the policy's")
    parser.add_argument("--seconds", type=float, default=60.0, help="load: of each phase, at most")
    parser.add_argument("--home", type=Path, help="where there is room; default: the temporary folder")
    parser.add_argument(
        "--children", type=int, default=Resealing().children, help="escrow: of ceremony and floor"
    )
    given = parser.parse_args(arguments)
    sizes = sorted(int(size) for size in given.users.split(","))
    with scratch(given.home) as home:
        if given.kind == "load":
            print(_LOAD_HEADER, flush=True)
            for phase in rotation_load.measure(home, sizes[-1], rate=given.rate, seconds=given.seconds):
                print(_load_line(phase), flush=True)
            return
        print(_HEADER, flush=True)
        for users in sizes:
            if given.kind in ("pepper", "all"):
                print(_line("pepper", rotation_pepper.measure(home, users, batch=given.batch)), flush=True)
            if given.kind in ("escrow", "all"):
                escrow = rotation_escrow.measure(home, users, batch=given.batch, children=given.children)
                print(_escrow_line(escrow), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
