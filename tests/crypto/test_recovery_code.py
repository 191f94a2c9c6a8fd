"""A recovery code as people write it down and type it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_service.crypto.recovery_code import CODE_BYTES, format_code, new_code, parse_code
from vault_service.domain.errors import InvalidInputError


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_what_is_shown_is_read_back(code: bytes) -> None:
    assert parse_code(format_code(code)) == code


def test_the_form_never_changes() -> None:
    """Codes lie in drawers for years."""
    assert format_code(bytes(range(16))) == "000G4-0R40M-30E20-9185G-R38E1-W"
    assert format_code(bytes([255] * 16)) == "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-W"


@pytest.mark.parametrize(
    "typed",
    [
        "000G4-0R40M-30E20-9185G-R38E1-W",
        "000g4 0r40m 30e20 9185g r38e1 w",
        "000G40R40M30E209185GR38E1W",
        "OOOG4-OR4OM-3OE2O-9I85G-R38EL-W",
    ],
)
def test_case_spaces_and_letters_taken_for_digits_do_not_matter(typed: str) -> None:
    assert parse_code(typed) == bytes(range(16))


@pytest.mark.parametrize(
    "typed",
    ["", "000G4", "000G4-0R40M-30E20-9185G-R38E1-WW", "000G4-0R40M-30E20-9185G-R38E1-U",
     "000G4-0R40M-30E20-9185G-R38E1-X", "٠٠٠G4-0R40M-30E20-9185G-R38E1-W", "000G4-0R40M-30E20-9185G-R38E1-ß"],
)  # fmt: skip
def test_what_is_no_code_is_refused_without_being_quoted(typed: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_code(typed)

    assert len(typed) < 8 or typed not in refused.value.detail


def test_codes_are_random() -> None:
    assert len({new_code() for _ in range(1000)}) == 1000
