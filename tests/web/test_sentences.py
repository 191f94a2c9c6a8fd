"""Sentences that were put together are told in the reader's language, with the same values in them."""

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from vault_service.crypto import approvals
from vault_service.domain import manifest_difference
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.recovery_errors import SelfApprovalError
from vault_service.web import texts
from vault_service.web.problems import told
from vault_service.web.reading import read_query
from vault_service.web.sentences import in_words
from vault_service.web.view import Taken


@pytest.fixture(autouse=True)
def german() -> Iterator[None]:
    texts.use("de")
    yield
    texts.use(texts.ENGLISH)


def _made_in(module: ModuleType) -> list[str]:
    """Every sentence that it puts together, with x where a value stands."""
    found: list[str] = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        said = node.value if isinstance(node, ast.Yield) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            said = node.args[0] if node.args else None
        if isinstance(said, ast.JoinedStr):
            found.append("".join(map(_part, said.values)))
    return found


def _part(part: ast.expr) -> str:
    if not isinstance(part, ast.FormattedValue):
        return str(ast.literal_eval(part))
    said = ast.unparse(part.value)
    if "digest" in said:
        return ", SHA-256 x"
    return {"what": "quorum", "name.replace('_', ' ')": "base"}.get(said, "x")


@pytest.mark.parametrize("module", [manifest_difference, approvals])
def test_every_sentence_that_officers_decide_by_is_known(module: ModuleType) -> None:
    made = _made_in(module)

    assert len(made) >= 5
    assert [each for each in made if in_words(each) == each] == []


def test_what_is_filled_in_stays_as_it_is() -> None:
    """A name may read like more of the sentence, or like a text of ours."""
    line = (
        'adds officer "Cases with the roles auditor" with the roles approver, discloser, key ab12-cd34, '
        "no account here"
    )

    assert in_words(line) == (
        'nimmt "Cases with the roles auditor" mit den Rollen approver, discloser auf, '
        "Schlüssel ab12-cd34, hier ohne eigenes Konto"
    )
    assert in_words("Cases opened this case") == "Cases hat diesen Fall eröffnet"
    assert told(SelfApprovalError("dora opened this case")) == "dora hat diesen Fall eröffnet"


def test_what_is_not_known_and_what_is_read_in_english_stands_as_it_was() -> None:
    assert in_words("the moon is made of cheese") == "the moon is made of cheese"
    texts.use(texts.ENGLISH)
    assert in_words("dora opened this case") == "dora opened this case"


class _Count(Taken, frozen=True):
    n: int


def test_what_is_wrong_with_a_field_is_told_at_the_field() -> None:
    request = Request(EnvironBuilder(query_string="n=many").get_environ())

    with pytest.raises(InvalidInputError) as refused:
        read_query(_Count, request)

    assert (refused.value.part, told(refused.value)) == ("n", "Das ist keine Zahl")
