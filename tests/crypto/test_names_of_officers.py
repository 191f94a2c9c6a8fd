"""What officers read of a change before they sign it: a name adds no words of its own to it."""

import pytest

from tests.crypto.test_manifest_chain import follow
from tests.crypto.test_officer_change import ANA, BEN, CLEO, NEWEST, person
from vault_service.crypto.officer_change import check_change
from vault_service.domain.errors import ManifestError
from vault_service.domain.manifest import Officer
from vault_service.domain.manifest_difference import difference

FALSE = "eve with the roles auditor, key 1111-2222-3333-4444-5555"


def named(name: str) -> Officer:
    return person(4, name)


@pytest.mark.parametrize(
    "name", [FALSE, "eve with the roles auditor", "eve, no account here", 'e"v"e', "eve (x)"]
)
def test_a_name_that_reads_like_the_sentence_stands_in_quotes(name: str) -> None:
    quoted = '"' + name.replace('"', "'") + '"'
    (adds,) = difference(NEWEST, follow(NEWEST, officers=(ANA, BEN, CLEO, named(name))))
    (renames,) = difference(NEWEST, follow(NEWEST, officers=(ANA, BEN, person(3, name))))

    assert adds.startswith(f"adds officer {quoted} with the roles approver, discloser, key ")
    assert renames == f"renames officer cleo to {quoted}"


@pytest.mark.parametrize("name", ["dora", "Dr. Ana-Maria O'Neil", "Žofia Nováková", "李 雷"])
def test_a_name_like_peoples_stands_as_it_is(name: str) -> None:
    (line,) = difference(NEWEST, follow(NEWEST, officers=(ANA, BEN, CLEO, named(name))))
    assert line.startswith(f"adds officer {name} with the roles ")


@pytest.mark.parametrize("name", ["", "x" * 65, " ", f"eve{' ' * 300}joins as auditor"])
def test_a_name_is_short_enough_to_be_read(name: str) -> None:
    with pytest.raises(ManifestError, match="characters"):
        check_change(NEWEST, follow(NEWEST, officers=(ANA, BEN, CLEO, named(name))))
    check_change(NEWEST, follow(NEWEST, officers=(ANA, BEN, CLEO, named("x" * 64))))
