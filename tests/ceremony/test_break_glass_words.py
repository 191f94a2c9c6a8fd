"""Words are typed from paper by people; what is wrong is named by its place, and never repeated."""

import itertools
from collections.abc import Iterator

import pytest

from vault_service.ceremony.break_glass_words import read_sheet, secret_of_sheets
from vault_service.ceremony.shares import SharesRefusedError, split
from vault_service.ceremony.sheets import SheetsAbandonedError

SECRET = bytes(range(16))
ONE, TWO, THREE = split(SECRET, threshold=2, people=3)
OTHER = split(SECRET, threshold=2, people=3)[0]
WRONG = " ".join([*ONE.split()[:-1], "academic" if not ONE.endswith("academic") else "acid"])


class Typists:
    """People who type these lines, one after the other."""

    def __init__(self, *lines: str) -> None:
        self._lines: Iterator[str] = iter(lines)
        self.said: list[str] = []
        self.screen = ""

    def show(self, text: str) -> None:
        self.said.append(text)
        self.screen += text

    def ask(self, prompt: str, *, hidden: bool = False) -> str:
        del hidden
        line = next(self._lines, None)
        if line is None:
            raise EOFError
        self.screen += prompt + line
        return line

    def clear(self) -> None:
        self.screen = ""


def test_as_many_sheets_as_are_needed_give_the_secret() -> None:
    for pair in itertools.permutations((ONE, TWO, THREE), 2):
        assert secret_of_sheets(Typists(*pair)) == SECRET


def test_upper_case_spaces_and_lines_do_no_harm() -> None:
    words = ONE.upper().split()
    typists = Typists("  ".join(words[:7]) + " ", "   " + " ".join(words[7:]), f"\t{TWO.title()}")

    assert secret_of_sheets(typists) == SECRET
    assert typists.screen == ""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (WRONG, "checksum"),
        (" ".join([ONE.split()[1], ONE.split()[0], *ONE.split()[2:]]), "checksum"),
        (" ".join([*ONE.split()[:4], "hunter2", *ONE.split()[5:]]), "word 5 of this sheet"),
        (" ".join(ONE.split()[:19]), "20 words, and 19"),
        (ONE + " academic", "20 words, and 21"),
        ("", "20 words, and 0"),
    ],
    ids=["another word", "two swapped", "no word", "one short", "one more", "nothing"],
)
def test_what_is_wrong_is_named_and_no_word_repeated(typed: str, said: str) -> None:
    with pytest.raises(SharesRefusedError, match=said) as refused:
        read_sheet(typed)

    assert not set(refused.value.detail.split()) & (set(ONE.split()) | {"hunter2"}) - {"a", "word"}


def test_a_sheet_that_does_not_fit_is_typed_again_and_nothing_begins_anew() -> None:
    typists = Typists(WRONG, ONE, ONE, OTHER, TWO)

    assert secret_of_sheets(typists) == SECRET
    said = "\n".join(typists.said)
    assert all(each in said for each in ("checksum", "was typed before", "of another set"))
    assert not {word for share in (ONE, TWO, OTHER) for word in share.split() if len(word) > 4} & set(
        said.split()
    )


def test_too_few_sheets_give_nothing() -> None:
    with pytest.raises(SheetsAbandonedError):
        secret_of_sheets(Typists(ONE))
    with pytest.raises(SharesRefusedError, match="5 tries"):
        secret_of_sheets(Typists(*[WRONG] * 6))
