"""What a pattern accepts has one spelling: Python's $ lets a newline follow, and bytes.fromhex ignores it."""

import re
from pathlib import Path

import msgspec
import pytest

from vault_service.api.records import Collection
from vault_service.domain.case import Hash, Point, Time
from vault_service.domain.manifest import Hex
from vault_service.kms.protocol.message_base import Name

PACKAGE = Path(__file__).parents[1] / "vault_service"
META = re.compile(r'Meta\([^"]*?pattern=r"([^"]*)"')


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Collection, "notes"), (Hash, "ab" * 32), (Hex, "abcd"), (Name, "an app"), (Point, "04" + "ab" * 64),
        (Time, "2026-11-27T09:20:00.000000Z"),
    ],
    ids=["collection", "hash", "hex", "name", "point", "time"],
)  # fmt: skip
def test_no_newline_may_follow(kind: type[str], text: str) -> None:
    assert msgspec.convert(text, kind) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(f"{text}\n", kind)


def test_no_pattern_ends_where_a_newline_may_follow() -> None:
    found = {
        (path.name, pattern)
        for path in PACKAGE.rglob("*.py")
        for pattern in META.findall(path.read_text("utf-8"))
    }

    assert len(found) > 15
    assert [each for each in found if each[1].endswith("$")] == []
