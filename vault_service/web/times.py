"""Times, spans and numbers as people read them. times.js puts the reader's own zone before UTC."""

from datetime import UTC, datetime, timedelta

from babel.numbers import format_decimal
from markupsafe import Markup

from vault_service.web import texts

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def time_element(when: datetime | str | None) -> Markup:
    """`<time>` with UTC to the minute; the exact moment in its attribute. A text is RFC 3339."""
    if when is None or when == "":
        return Markup("&ndash;")
    utc = (datetime.fromisoformat(when) if isinstance(when, str) else when).astimezone(UTC)
    shown = f"{utc:%Y-%m-%d %H:%M} UTC"
    return Markup('<time datetime="{}" data-when>{}</time>').format(moment(utc), shown)


def moment(when: datetime) -> str:
    """RFC 3339 in UTC, to the second: for the `datetime` of a `<time>`."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def span(length: timedelta | float) -> str:
    """Its two greatest parts: 2 days 3 hours. Below a minute: seconds."""
    seconds = max(0, round(length.total_seconds() if isinstance(length, timedelta) else length))
    days, rest = divmod(seconds, _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, left = divmod(rest, _MINUTE_S)
    parts = (
        (days, texts.say_n("%(n)s day", "%(n)s days", days)),
        (hours, texts.say_n("%(n)s hour", "%(n)s hours", hours)),
        (minutes, texts.say_n("%(n)s minute", "%(n)s minutes", minutes)),
        (left, texts.say_n("%(n)s second", "%(n)s seconds", left)),
    )
    first = next((at for at, (n, _) in enumerate(parts) if n), len(parts) - 1)
    shown = parts[first : first + 2] if first < len(parts) - 2 else parts[first : first + 1]
    return " ".join(words for n, words in shown if n or len(shown) == 1)


def number(value: float) -> str:
    """With the separators of the current language."""
    return format_decimal(value, locale=texts.current().code)
