"""The vault's reader of notes and the auditors' share no code: what the one takes, the other takes alike.

A note that only one of them took, or that they read differently, could show them two logs.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.verify.exports import VAULT, cosigned_by, key, signed_by, tree_hash
from vault_service.tlog import checkpoint as logs
from vault_service.tlog import errors, note, strict
from vault_service.verify import findings
from vault_service.verify import notes as auditors

BODY = f"{VAULT}/records\n20\n{strict.base64_of(tree_hash([b'leaf']))}\n"
NOTE = f"{BODY}\n{signed_by(f'{VAULT}/records', key('records'), BODY)}" + cosigned_by(
    "witness", key("witness"), BODY, 1
)
PIECES = st.sampled_from(
    [*"\n\r\t \0\x1f\x7f\x85\x9b\xa0\u2028\ufeff+—=/01A٣é-", "\n\n", "— ", "20", "18446744073709551616", "",
     NOTE.splitlines(keepends=True)[-1]]
)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, len(NOTE)), st.integers(0, 3), PIECES), min_size=0, max_size=3)
Read = tuple[str, int, bytes, dict[tuple[str, bytes], bytes]]


def by_the_vault(text: str) -> Read | None:
    try:
        parsed = note.parse_note(text)
        head = logs.parse_checkpoint(parsed.text)
    except errors.NoteError:
        return None
    if head.extensions or (head.size == 0 and head.root != tree_hash([])):
        return None
    return head.origin, head.size, head.root, {(s.name, s.key_id): s.blob for s in parsed.signatures}


def by_an_auditor(text: str) -> Read | None:
    try:
        head = auditors.parse_checkpoint(text)
    except findings.NoteError:
        return None
    if head.size == 0 and head.root != tree_hash([]):
        return None  # the one refuses it at once, the other beside the tree
    return head.origin, head.size, head.root, head.signatures


@settings(max_examples=300)
@given(edits=EDITS)
@example(edits=[(5, 0, "\x9b")])  # in the origin
@example(edits=[(len(NOTE) - 20, 0, "\n")])
def test_both_read_a_note_alike_or_not_at_all(edits: list[tuple[int, int, str]]) -> None:
    text = NOTE
    for at, gone, put in edits:
        text = text[:at] + put + text[at + gone :]

    assert by_the_vault(text) == by_an_auditor(text)


def test_both_read_the_note_that_nobody_changed() -> None:
    assert by_the_vault(NOTE) == by_an_auditor(NOTE) is not None
