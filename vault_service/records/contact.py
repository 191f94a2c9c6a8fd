"""What a field is found by: one spelling for values that people take for equal.

Only the blind index sees these. The original is kept as it was written and never refused: the
world's names, addresses and telephone numbers are odder than any library knows.
"""

import json
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from vault_service.domain.errors import InvalidInputError
from vault_service.policy.rules import CollectionRule, FieldKind
from vault_service.records.stream_safe import compatible, stream_safe
from vault_service.records.strict_json import JsonValue

REGION = "region"  # beside a telephone number: ISO 3166-1 alpha-2, where numbers without + are dialled


class Doubt(StrEnum):
    """What could not be understood of a field, as the person reads it; without the value."""

    REGION = "the region is not a known country code; read without it"
    NO_DIGITS = "holds no digits; kept as written, cannot be searched"
    NO_NUMBER = "not a valid number; kept as written, found by its digits"
    NO_ADDRESS = "not a valid e-mail address; kept as written"


def index_value(
    kind: FieldKind, original: str, *, region: str | None = None
) -> tuple[str | None, tuple[str, ...]]:
    """The value for the blind index, or None when nothing is left of it, and warnings.

    A warning says what could not be understood, in words without the value.
    """
    original = stream_safe(original)
    match kind:
        case "phone":
            return _phone(original, region)
        case "email":
            return _email(original)
        case "text" | "name":
            return _text(original), ()


def check_fields(
    rule: CollectionRule, fields: Mapping[str, JsonValue]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Index values of the searchable fields, and warnings, each behind its field's name.

    Raises InvalidInputError where the collection has fixed fields and these are others, not
    strings, or none at all.
    """
    if rule.fields:
        _check_shape(rule, fields)
    region = fields.get(REGION) if rule.fields else None
    values: dict[str, str] = {}
    warnings: list[str] = []
    for name in rule.searchable:
        original = _spelling(fields.get(name))
        if original is None:
            continue
        kind = rule.fields.get(name, "text")
        value, found = index_value(kind, original, region=region if isinstance(region, str) else None)
        if value is not None:
            values[name] = value
        warnings += [f"{name}: {warning}" for warning in found]
    return values, tuple(warnings)


def _check_shape(rule: CollectionRule, fields: Mapping[str, JsonValue]) -> None:
    allowed = [*rule.fields, *([REGION] if "phone" in rule.fields.values() else [])]
    if not set(fields) <= set(allowed):  # the unknown name is not repeated: it may be personal data
        raise InvalidInputError("fields", f"a field is unknown; this collection has {', '.join(allowed)}")
    for name, value in fields.items():
        if not isinstance(value, str):
            raise InvalidInputError(f"fields.{name}", "not a string")
    if not set(fields) & set(rule.fields):
        raise InvalidInputError("fields", f"they are empty; give at least one of {', '.join(rule.fields)}")


def _spelling(value: JsonValue) -> str | None:
    """Text as it is, a number as JSON spells it; nothing else can be searched."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return None


def _text(original: str) -> str | None:
    folded = compatible(compatible(original).casefold())
    return " ".join(folded.split()) or None


def _phone(original: str, region: str | None) -> tuple[str | None, tuple[str, ...]]:
    """E.164 where the number is valid, with its extension (RFC 3966); else its digits in ASCII."""
    if not original.strip():
        return None, ()
    warnings: list[str] = []
    known = region.upper() if region else None
    if known is not None and known not in phonenumbers.SUPPORTED_REGIONS:
        warnings.append(Doubt.REGION)
        known = None
    try:
        number = phonenumbers.parse(original, known)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_valid_number(number):
        spelled = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return spelled + (f";ext={number.extension}" if number.extension else ""), tuple(warnings)
    digits = "".join(str(unicodedata.decimal(char)) for char in original if char.isdecimal())
    if not digits:
        return None, (*warnings, Doubt.NO_DIGITS)
    return digits, (*warnings, Doubt.NO_NUMBER)


def _email(original: str) -> tuple[str | None, tuple[str, ...]]:
    """The whole address case-folded, the domain in its ASCII form (IDNA 2008); no DNS look-ups."""
    try:
        address = validate_email(original.strip(), check_deliverability=False)
    except EmailNotValidError:
        folded = _text(original)
        return folded, (Doubt.NO_ADDRESS,) if folded else ()
    return f"{_text(address.local_part)}@{address.ascii_domain or address.domain}".casefold(), ()
