"""Every alert has words that tell what it is, what it means and what to do about it."""

from datetime import UTC, datetime
from typing import get_args
from uuid import uuid4

import jinja2
import pytest

from vault_service.console.audit.logs import kind_of
from vault_service.domain.alerts import CODES, LEVELS, Alert, AlertCode, sorted_alerts
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.rotation import DueKind
from vault_service.recovery.activity import GRAVE, WATCHED_KEYS, WATCHED_RECORDS
from vault_service.web.static_files import StaticFiles
from vault_service.web.templates import make_templates

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
SAMPLES: dict[str, str] = {
    "kind-impossible": "disclosure, erasure", "kind-fragile": "drill", "case-expires": "regain",
    "key-overdue": "pepper", "key-soon": "escrow", "rotation-failures": "pepper", "rotation-quiet": "escrow",
    "rotation-paused": "login-index", "log-unsealed": "keys", "log-unseen": "records",
}  # fmt: skip


@pytest.fixture(scope="module")
def words() -> jinja2.Environment:
    static = StaticFiles.of("vault_service.web", "vault_service.console")
    return make_templates(static, "", "vault_service.console")


def said(words: jinja2.Environment, macro: str, alert: Alert) -> str:
    source = "{% import 'overview/alert_words.html' as alerts %}{{ alerts." + macro + "(alert) }}"
    return words.from_string(source).render(alert=alert).strip()


@pytest.mark.parametrize("code", [code for code in CODES if code != "events"])
def test_a_code_has_a_title_a_meaning_and_something_to_do(words: jinja2.Environment, code: AlertCode) -> None:
    alert = Alert(code, "soon", SAMPLES.get(code, "dora"), n=2, of=3, at=NOW, case=uuid4())

    texts = [said(words, macro, alert) for macro in ("title", "means", "todo")]

    assert all(len(each) > 10 for each in texts), texts
    assert len(set(texts)) == 3
    # What is not listed is taken for an event: a new code without words shows here.
    assert "last 24 hours" not in texts[1]
    assert "Ask the operator what it was" not in texts[2]


@pytest.mark.parametrize("kind", [*WATCHED_KEYS, KeysEvent.CEREMONY_REFUSED, *WATCHED_RECORDS])
def test_an_event_that_is_watched_has_words_of_its_own(
    words: jinja2.Environment, kind: KeysEvent | RecordsEvent
) -> None:
    log = "keys" if isinstance(kind, KeysEvent) else "records"
    name = f"{log}.{kind.name.lower()}"
    alert = Alert("events", "now", name, n=1, at=NOW)

    assert said(words, "title", alert) != name
    assert said(words, "means", alert) != "1 time in the last 24 hours."
    assert f'href="/audit?kind={name}&amp;ask=1"' in said(words, "todo", alert)
    assert kind_of(name) is kind  # the explorer finds it
    if kind in GRAVE:
        assert "Ask the operator what it was" not in said(words, "todo", alert)


@pytest.mark.parametrize("kind", get_args(DueKind))
def test_a_key_that_is_due_is_named(words: jinja2.Environment, kind: str) -> None:
    assert said(words, "title", Alert("key-overdue", "soon", kind, at=NOW)).startswith("Overdue: ")


def test_a_name_that_is_markup_is_only_text(words: jinja2.Environment) -> None:
    hostile = "<script>alert(1)</script>%(name)s{{ 1 }}"
    for code in ("no-share", "officer-idle", "receiver-behind", "part-broken", "key-service-away"):
        alert = Alert(code, "soon", hostile)
        shown = "".join(said(words, macro, alert) for macro in ("title", "means", "todo"))
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


def test_the_most_urgent_come_first() -> None:
    found = sorted_alerts(
        [Alert("events", "soon", "B"), Alert("log-unseen", "note"), Alert("events", "now", "A"),
         Alert("escrow-locked", "now")]
    )  # fmt: skip

    assert [each.code for each in found] == ["escrow-locked", "events", "events", "log-unseen"]
    assert [LEVELS.index(each.level) for each in found] == [0, 0, 1, 2]
