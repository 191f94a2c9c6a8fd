"""`vaultctl doctor` on the host of a console."""

from tests.browser.officers import Officer
from tests.browser.served import Console
from tests.rig.vault import free_port, settings_of
from vault_service.cli.doctor_console import examine_console
from vault_service.cli.finding import Finding
from vault_service.settings import Settings


def found(settings: Settings) -> dict[str, Finding]:
    return {each.check: each for each in examine_console(settings)}


def moved(settings: Settings, **to: object) -> Settings:
    assert settings.console is not None
    return settings.model_copy(update={"console": settings.console.model_copy(update=to)})


def test_a_console_that_officers_can_use(console: Console, officers: dict[str, Officer]) -> None:
    findings = found(settings_of(console.vault))

    assert all(each.ok for each in findings.values()), findings
    assert findings["console: reached"].detail == "answers"
    assert "officers have one" in findings["console: passkeys"].detail


def test_a_console_at_another_address_than_its_officers_passkeys(
    console: Console, officers: dict[str, Officer]
) -> None:
    """Somebody has changed a host name, and nobody can sign in: whom it concerns, and where they could."""
    settings = moved(settings_of(console.vault), origin=f"http://localhost:{free_port()}")

    findings = found(settings)

    assert not findings["console: reached"].ok
    passkeys = findings["console: passkeys"]
    assert not passkeys.ok
    assert f"dora ({console.url})" in passkeys.detail
    assert "fay" in passkeys.detail
    assert "ana" not in passkeys.detail


def test_what_officers_cannot_look_at_is_said(console: Console) -> None:
    settings = moved(settings_of(console.vault), audit_records=None)

    assert found(settings)["console: audit"].detail.startswith("warning: officers cannot look at the records")
