"""Reading people from files: every value exactly, every bad line by its number."""

from pathlib import Path

import pytest

from vault_service.cli.people.mapping import Mapping, Person, parse_mapping
from vault_service.cli.people.source import BadRow, Row, Source
from vault_service.domain.errors import InvalidInputError


def written(folder: Path, name: str, content: str | bytes) -> Source:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Source(path)


def test_a_csv_file_is_read_exactly_with_the_line_where_each_person_begins(tmp_path: Path) -> None:
    source = written(
        tmp_path, "p.csv",
        '\ufeffmail,name\r\n'
        'a@x.org,"Silva, ""Ana"""\r\n'
        '\r\n'
        'b@x.org,"two\r\nlines"\r\n'
        'c@x.org,  O\u2019Neil\u2028 \r\n'
        'd@x.org\r\n',
    )  # fmt: skip

    assert list(source.rows()) == [
        Row(2, {"mail": "a@x.org", "name": 'Silva, "Ana"'}),
        Row(4, {"mail": "b@x.org", "name": "two\r\nlines"}),
        Row(6, {"mail": "c@x.org", "name": "  O\u2019Neil\u2028 "}),
        BadRow(7, "import.cells", "1 cells, 2 columns"),
    ]
    assert source.survey().people == 4


def test_json_lines_are_read_object_by_object(tmp_path: Path) -> None:
    source = written(
        tmp_path, "p.jsonl",
        '{"mail": "a@x.org", "tags": [1, 2.5, null]}\n\n{"mail": "b", "mail": "c"}\n[1]\n{"n": NaN}\n',
    )  # fmt: skip

    rows = list(source.rows())

    assert rows[0] == Row(1, {"mail": "a@x.org", "tags": [1, 2.5, None]})
    assert [(row.line, row.code) for row in rows[1:] if isinstance(row, BadRow)] == [
        (3, "request.malformed_json"), (4, "request.malformed_json"), (5, "request.malformed_json"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("p.csv", "mail,mail\n", "twice"),
        ("p.csv", "", "header"),
        ("p.csv", "mail,name\n", "nobody"),
        ("p.jsonl", "\n", "nobody"),
        ("p.csv", "mail\n" + '"unclosed', "line 2"),
        ("p.csv", "mail\nJos\u00e9\n".encode("latin-1"), "UTF-8"),
        ("p.jsonl", b'{"a": "\xff"}\n', "UTF-8"),
        ("p.xlsx", "", "neither"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str, content: str | bytes, why: str
) -> None:
    with pytest.raises(InvalidInputError, match=why):
        written(tmp_path, name, content).survey()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        Source(tmp_path / "none.csv").survey()


def test_columns_become_login_password_fields_and_the_rest() -> None:
    mapping = parse_mapping(["login=mail", "email=mail", "full_name=name"], password="pw", rest=True)

    person = mapping.person(
        Row(3, {"mail": "a@x.org", "name": " Ana ", "pw": "secret", "shoe": "38", "hat": ""})
    )

    assert person == Person(
        3, "a@x.org", "secret", {"email": "a@x.org", "full_name": " Ana "}, {"shoe": "38"}
    )
    assert mapping.unused(["mail", "name", "pw", "shoe"]) == ("shoe",)


@pytest.mark.parametrize("login", ["", None, 7])
def test_a_person_without_a_login_is_a_bad_line(login: str | int | None) -> None:
    mapping = Mapping("mail", (), None, rest=False)
    assert mapping.person(Row(3, {"mail": login})) == BadRow(
        3, "import.no_login", "column mail holds no text"
    )


def test_a_person_without_the_promised_password_is_a_bad_line() -> None:
    mapping = Mapping("mail", (), "pw", rest=False)
    bad = mapping.person(Row(3, {"mail": "a@x.org", "pw": ""}))
    assert isinstance(bad, BadRow)
    assert bad.code == "import.no_password"


@pytest.mark.parametrize("pairs", [["email=mail"], ["login"], ["login=a", "login=b"], ["=mail", "login=m"]])
def test_a_mapping_that_cannot_be_meant_is_refused(pairs: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="--map"):
        parse_mapping(pairs, password=None, rest=False)


def test_a_column_that_no_line_has_is_refused() -> None:
    mapping = parse_mapping(["login=mail", "full_name=nmae"], password=None, rest=False)
    with pytest.raises(InvalidInputError, match="nmae"):
        mapping.check_columns(["mail", "name"])


def test_a_file_whose_cells_are_cut_by_another_sign_is_told_of_the_option() -> None:
    mapping = parse_mapping(["login=mail"], password=None, rest=False)
    with pytest.raises(InvalidInputError, match="--delimiter"):
        mapping.check_columns(["mail;name"])
    with pytest.raises(InvalidInputError, match="no line that can be read"):
        mapping.check_columns([])


def test_nothing_of_a_person_shows_in_a_repr() -> None:
    person = Person(3, "ana@x.org", "secret", {"full_name": "Ana"}, {"x": "Ana"})
    shown = repr(person) + repr(Row(3, {"mail": "ana@x.org"}))
    assert not any(value in shown for value in ("ana@x.org", "secret", "Ana"))
