"""What is wrong with a receiver's settings shows when the process starts, with what to do about it."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.rig.certificates import Authority
from tests.rig.postgres import TestDatabase
from vault_service.bootstrap.siem import build_receiver, check_receiver, siem_delivery
from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound
from vault_service.outbound.errors import OutboundRefusedError
from vault_service.settings import SiemReceiver

OPEN = Outbound(AddressPolicy(), lambda host, port: ["1.1.1.1"])


def settings(kind: str, **more: Any) -> SiemReceiver:
    return SiemReceiver(name="one", kind=kind, **more)  # type: ignore[arg-type]


WRONG = {
    "a file without a path": settings("file"),
    "a relative path": settings("file", path=Path("keys.jsonl")),
    "a webhook without an address": settings("webhook"),
    "a webhook in clear text": settings("webhook", url="http://siem.example.org/"),
    "syslog in clear text": settings("syslog", url="tcp://siem.example.org:514"),
    "syslog without an address": settings("syslog"),
    "syslog with a path": settings("syslog", url="tls://siem.example.org:6514/x"),
    "syslog with a user": settings("syslog", url="tls://me@siem.example.org:6514"),
    "syslog to port 0": settings("syslog", url="tls://siem.example.org:0"),
    "syslog to loopback": settings("syslog", url="tls://127.1"),
    "an inner address": settings("webhook", url="https://169.254.169.254/"),
    "an inner address for syslog": settings("syslog", url="tls://[::1]:6514"),
    "a missing authority": settings("webhook", url="https://siem.example.org/", ca=Path("/nowhere")),
    "a missing token": settings("webhook", url="https://siem.example.org/", token_file=Path("/nowhere")),
    "a missing key": settings("webhook", url="https://siem.example.org/", hmac_key_file=Path("/nowhere")),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_receiver_that_cannot_work_is_refused(wrong: SiemReceiver) -> None:
    with pytest.raises(ConfigurationError) as refused:
        build_receiver(wrong, OPEN)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "sound",
    [
        settings("file", path=Path("/var/log/vault/keys.jsonl")),
        settings("webhook", url="https://siem.example.org/in"),
        settings("syslog", url="tls://siem.example.org"),
        settings("syslog", url="tls://[2606:4700::1111]:6515"),
    ],
    ids=lambda each: f"{each.kind} {each.url}",
)
def test_a_sound_one_is_built_without_sending_anything(sound: SiemReceiver) -> None:
    assert build_receiver(sound, OPEN).name == "one"
    assert check_receiver(sound, OPEN)


def test_a_key_that_others_may_read_or_guess_is_refused(tmp_path: Path) -> None:
    pair, key = Authority(tmp_path).issue("client"), tmp_path / "hook.key"
    key.touch(0o600)
    key.write_text("too short")
    with pytest.raises(ConfigurationError, match="24 bytes"):
        build_receiver(settings("webhook", url="https://siem.example.org/", hmac_key_file=key), OPEN)
    mutual = settings("webhook", url="https://siem.example.org/", certificate=pair.certificate, key=pair.key)
    build_receiver(mutual, OPEN)
    pair.key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="read by others"):
        build_receiver(mutual, OPEN)


def test_doctor_finds_a_name_that_leads_inside() -> None:
    inside = Outbound(AddressPolicy(), lambda host, port: ["10.0.0.5"])
    for kind, url in (("webhook", "https://siem.example.org/"), ("syslog", "tls://siem.example.org")):
        with pytest.raises(OutboundRefusedError, match=r"siem\.example\.org.*10\.0\.0\.5"):
            check_receiver(settings(kind, url=url), inside)


def test_two_receivers_of_one_name_are_refused(keys_db: TestDatabase) -> None:
    """They would share a cursor: each would get what the other leaves."""
    twice = [settings("file", path=Path(f"/var/log/{n}")) for n in range(2)]
    db = keys_db.open("vault_worker_keys", size=1)
    with pytest.raises(ConfigurationError, match="one name"):
        siem_delivery(twice, "keys", db, OPEN, CollectorRegistry())
    db.close()
