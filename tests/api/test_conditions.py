"""ETags as RFC 9110 has them: strong comparison for changes, weak for reading."""

import pytest

from vault_service.api.conditions import etag, is_known_already, under_any, versions_asked_for
from vault_service.domain.errors import InvalidInputError, PreconditionFailedError

NO_VERSION = (0,)  # a condition that nothing meets

IF_MATCH = {
    "absent": (None, (None,)),
    "any": ("*", (None,)),
    "any, with space": (" * ", (None,)),
    "a version": ('"3"', (3,)),
    "several": ('"3", "4" ,"5"', (3, 4, 5)),
    "the same twice": ('"3","3"', (3,)),
    "a weak one never matches": ('W/"3"', NO_VERSION),
    "a weak one beside a strong one": ('W/"3", "4"', (4,)),
    "one that we never gave": ('"abc"', NO_VERSION),
    "an empty one": ('""', NO_VERSION),
    "another spelling of a version": ('"03"', NO_VERSION),
    "digits of another script": ('"\u0663"'.encode().decode("latin-1"), NO_VERSION),
    "zero": ('"0"', NO_VERSION),
    "beyond 63 bits": ('"9223372036854775808"', NO_VERSION),
    "a comma inside": ('"3,4"', NO_VERSION),
}


def _headers(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}


@pytest.mark.parametrize(("header", "versions"), IF_MATCH.values(), ids=IF_MATCH.keys())
def test_if_match_names_versions(header: str | None, versions: tuple[int | None, ...]) -> None:
    assert versions_asked_for(_headers("If-Match", header)) == versions


@pytest.mark.parametrize(
    "header", ["", "3", '"3', '3"', '"3" "4"', '"3",', ',"3"', '*, "3"', "w/3", '"1",' * 20]
)
def test_a_malformed_if_match_is_refused(header: str) -> None:
    with pytest.raises(InvalidInputError, match="If-Match"):
        versions_asked_for({"If-Match": header})


def test_a_change_with_if_none_match_is_refused_rather_than_made_without_it() -> None:
    with pytest.raises(InvalidInputError, match="If-None-Match"):
        versions_asked_for({"If-None-Match": "*"})


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ('"3"', True),
        ('W/"3"', True),
        ('"2", "3"', True),
        ('"2"', False),
        ("*", True),
        ('""', False),
    ],
)
def test_if_none_match_compares_weakly(header: str | None, known: bool) -> None:
    assert is_known_already(_headers("If-None-Match", header), 3) is known


def test_an_etag_is_strong_and_names_the_version() -> None:
    assert etag(3) == '"3"'
    assert versions_asked_for({"If-Match": etag(3)}) == (3,)


def test_a_change_under_several_versions_is_made_on_the_one_that_fits() -> None:
    tried: list[int | None] = []

    def change(version: int | None) -> str:
        tried.append(version)
        if version != 4:
            raise PreconditionFailedError
        return "done"

    assert under_any((3, 4, 5), change) == "done"
    assert tried == [3, 4]
    with pytest.raises(PreconditionFailedError):
        under_any((3, 5), change)
