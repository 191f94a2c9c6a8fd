"""One spelling of each note: a reader that takes two can be shown two logs under one signature."""

import base64
from collections.abc import Callable

import pytest

from vault_service.tlog.add_checkpoint import (
    AddCheckpoint,
    format_cosignatures,
    format_cosigned_size,
    parse_cosignatures,
    parse_cosigned_size,
)
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.errors import NoteError
from vault_service.tlog.merkle import EMPTY_ROOT
from vault_service.tlog.note import Note, Signature, VerifierKey, format_note, parse_note

ROOT = base64.b64encode(bytes(range(32))).decode()
BODY = f"log.example/keys\n20\n{ROOT}\n"
LINE = f"— log.example/keys {base64.b64encode(bytes(68)).decode()}\n"
OTHER = f"— witness.example {base64.b64encode(bytes([1] * 76)).decode()}\n"
GOOD = f"{BODY}\n{LINE}{OTHER}"
SPARE = ROOT[:-2] + chr(ord(ROOT[-2]) + 1) + "="  # the same 32 bytes, with a spare bit set


def lines(count: int) -> str:
    """So many signature lines, each by another key."""
    blobs = (base64.b64encode(i.to_bytes(4, "big") + b"signature").decode() for i in range(count))
    return "".join(f"— log.example/keys {blob}\n" for blob in blobs)


def test_the_good_note_is_read_and_written_byte_for_byte() -> None:
    note = parse_note(GOOD)

    assert note == parse_note(GOOD.encode())
    assert note.text == BODY
    assert [each.name for each in note.signatures] == ["log.example/keys", "witness.example"]
    assert parse_checkpoint(note.text) == Checkpoint("log.example/keys", 20, bytes(range(32)))
    assert (format_note(note), parse_checkpoint(note.text).body()) == (GOOD, BODY)
    assert len(parse_note(f"{BODY}\n{lines(64)}").signatures) == 64


NOTES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "newline"),
    "a lone newline": ("\n", "no empty line"),
    "no last newline": (GOOD[:-1], "does not end with a newline"),
    "an extra last newline": (GOOD + "\n", "no signature"),
    "two extra last newlines": (GOOD + "\n\n", "no signature"),
    "trailing bytes after the last newline": (GOOD + "x", "does not end with a newline"),
    "a trailing line": (GOOD + "x\n", "em dash"),
    "no empty line before the signatures": (BODY + LINE, "no empty line"),
    "no signature": (BODY + "\n", "no signature"),
    "no text": (f"\n\n{LINE}", "text is empty"),
    "CRLF throughout": (GOOD.replace("\n", "\r\n"), "carriage return"),
    "CRLF once": (GOOD.replace("20\n", "20\r\n"), "carriage return"),
    "a carriage return alone": (GOOD.replace("log", "lo\rg"), "carriage return"),
    "a NUL": (GOOD.replace("log", "lo\0g"), "control character"),
    "a tab": (GOOD.replace("— log", "—\tlog"), "control character"),
    "an escape sequence": (GOOD.replace("log", "\x1b[2Klog"), "control character"),
    "a delete": (GOOD.replace("log", "lo\x7fg"), "control character"),
    "a C1 control character": (GOOD.replace("log", "lo\x9bg"), "control character"),
    "bytes that are no UTF-8": (GOOD.encode().replace(b"log", b"l\xffg"), "not UTF-8"),
    "UTF-8 of a surrogate": (GOOD.encode().replace(b"log", b"l\xed\xa0\x80g"), "not UTF-8"),
    "overlong UTF-8": (GOOD.encode().replace(b"log", b"l\xc0\xafg"), "not UTF-8"),
    "a lone surrogate": (GOOD.replace("log", "l\ud800g"), "lone surrogate"),
    "another dash": (GOOD.replace("— witness", "– witness"), "em dash"),
    "a hyphen": (GOOD.replace("— witness", "- witness"), "em dash"),
    "no space after the dash": (GOOD.replace("— witness", "—witness"), "em dash"),
    "two spaces after the dash": (GOOD.replace("— witness", "—  witness"), "each after one space"),
    "two spaces before the base64": (GOOD.replace("witness.example ", "witness.example  "), "one space"),
    "a space at the end of a line": (GOOD[:-1] + " \n", "one space"),
    "a signature without a name": (GOOD.replace("witness.example ", " "), "name is empty"),
    "a name with a plus sign": (GOOD.replace("witness.", "witness+"), "plus sign"),
    "a name with a no-break space": (GOOD.replace("witness.", "witness\xa0"), "holds a space"),
    "a name with a line separator": (GOOD.replace("witness.", "witness\u2028"), "holds a space"),
    "a name without a signature": (f"{BODY}\n— witness.example\n", "one space"),
    "an empty signature": (f"{BODY}\n— witness.example \n", "shorter"),
    "a key id without a signature": (f"{BODY}\n— witness.example AAAAAA==\n", "shorter"),
    "base64 without padding": (GOOD.replace("=\n— wit", "\n— wit"), "not base64"),
    "base64 with an extra padding": (GOOD.replace("=\n— wit", "==\n— wit"), "base64"),
    "base64 with a character beyond it": (GOOD.replace("AQEB", "AQ!B", 1), "not base64"),
    "base64 of the URL alphabet": (GOOD.replace("AQEB", "AQ_-", 1), "not base64"),
    "base64 with digits of another script": (GOOD.replace("AQEB", "AQ٣B", 1), "not base64"),
    "base64 with spare bits set": (GOOD.replace("AAA=\n", "AAB=\n"), "not canonical"),
    "one signature twice": (f"{BODY}\n{LINE}{LINE}", "same name and key id"),
    "two signatures by one key": (f"{BODY}\n{LINE}{LINE[:-5]}AQA=\n", "same name and key id"),
    "65 signatures": (f"{BODY}\n{lines(65)}", "more than 64"),
    "more than 1 MiB": ("x" * (1 << 20) + GOOD, "longer than 1048576"),
    "more than 1 MiB in bytes": (b"x" * (1 << 20) + GOOD.encode(), "longer than 1048576"),
    "more than 1 MiB in fewer characters": ("é" * (1 << 19) + GOOD, "longer than 1048576"),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_is_refused_that_holds(name: str) -> None:
    message, why = NOTES[name]

    with pytest.raises(NoteError, match=why):
        parse_note(message)


def test_an_empty_line_among_the_signatures_makes_the_text_longer_and_no_checkpoint() -> None:
    """C2SP lets a text hold empty lines; the last one divides. What a log signs has none."""
    note = parse_note(f"{BODY}\n{LINE}\n{OTHER}")

    assert [each.name for each in note.signatures] == ["witness.example"]
    with pytest.raises(NoteError, match="empty line"):
        parse_checkpoint(note.text)


CHECKPOINTS: dict[str, tuple[str, str]] = {
    "an empty line at its beginning": ("\n" + BODY, "empty line"),
    "an empty line in its middle": (BODY.replace("20\n", "20\n\n"), "empty line"),
    "an empty line at its end": (BODY + "\n", "empty line"),
    "an empty origin": (BODY.replace("log.example/keys", ""), "empty line"),
    "no last newline": (BODY[:-1], "does not end with a newline"),
    "two lines": ("log.example/keys\n20\n", "at least three lines"),
    "no size": (BODY.replace("20\n", ""), "at least three lines"),
    "CRLF": (BODY.replace("\n", "\r\n"), "carriage return"),
    "a control character": (BODY.replace("log", "l\x01g"), "control character"),
    "a lone surrogate": (BODY.replace("log", "l\udfffg"), "lone surrogate"),
    "a size with a leading zero": (BODY.replace("\n20\n", "\n020\n"), "leading zeros"),
    "a size of two zeros": (f"log\n00\n{ROOT}\n", "leading zeros"),
    "a size with a plus sign": (BODY.replace("\n20\n", "\n+20\n"), "decimal"),
    "a size with a minus sign": (BODY.replace("\n20\n", "\n-20\n"), "decimal"),
    "a negative zero": (f"log\n-0\n{ROOT}\n", "decimal"),
    "a size with an underscore": (BODY.replace("\n20\n", "\n2_0\n"), "decimal"),
    "a size with a comma": (BODY.replace("\n20\n", "\n2,0\n"), "decimal"),
    "a size with an exponent": (BODY.replace("\n20\n", "\n2e1\n"), "decimal"),
    "a size in hexadecimal": (BODY.replace("\n20\n", "\n0x14\n"), "decimal"),
    "a size with a fraction": (BODY.replace("\n20\n", "\n20.0\n"), "decimal"),
    "a size after a space": (BODY.replace("\n20\n", "\n 20\n"), "decimal"),
    "a size before a space": (BODY.replace("\n20\n", "\n20 \n"), "decimal"),
    "a size in Arabic digits": (BODY.replace("\n20\n", "\n٢٠\n"), "ASCII digits"),
    "a size in full-width digits": (BODY.replace("\n20\n", "\n２０\n"), "ASCII digits"),
    "a size with a superscript": (BODY.replace("\n20\n", "\n2²\n"), "ASCII digits"),
    "a size of 2**63": (BODY.replace("\n20\n", f"\n{2**63}\n"), "larger than"),
    "a size of a thousand digits": (BODY.replace("\n20\n", f"\n{'9' * 1000}\n"), "decimal"),
    "a root of 31 bytes": (f"log\n20\n{base64.b64encode(bytes(31)).decode()}\n", "31 bytes"),
    "a root of 33 bytes": (f"log\n20\n{base64.b64encode(bytes(33)).decode()}\n", "33 bytes"),
    "a root in hexadecimal": (f"log\n20\n{bytes(32).hex()}\n", "48 bytes"),
    "a root without padding": (BODY.replace(ROOT, ROOT[:-1]), "not base64"),
    "a root before a space": (BODY.replace(ROOT, ROOT + " "), "not base64"),
    "a root with spare bits set": (BODY.replace(ROOT, SPARE), "not canonical"),
    "the size 0 and the root of another tree": (f"log\n0\n{ROOT}\n", "empty log"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_is_refused_that_has(name: str) -> None:
    text, why = CHECKPOINTS[name]

    with pytest.raises(NoteError, match=why):
        parse_checkpoint(text)


def test_the_extremes_of_a_checkpoint_are_read() -> None:
    assert parse_checkpoint(f"log\n{2**63 - 1}\n{ROOT}\n").size == 2**63 - 1
    assert parse_checkpoint(Checkpoint("log", 0, EMPTY_ROOT).body()).size == 0
    assert parse_checkpoint(BODY + "more\nlines\n").extensions == ("more", "lines")


PUBLIC = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
VKEY = VerifierKey("log.example", 1, bytes(32)).format()
VKEYS: dict[str, tuple[str, str]] = {
    "nothing": ("", "name"),
    "no id": (f"log.example+{PUBLIC}", "8 hex digits"),
    "no name": (f"+00000000+{PUBLIC}", "name is empty"),
    "a name with a space": (VKEY.replace("log.", "log "), "holds a space"),
    "a name with a control character": (VKEY.replace("log.", "log\x1b"), "control character"),
    "a name with a lone surrogate": (VKEY.replace("log.", "log\ud800"), "lone surrogate"),
    "an id in capitals": ("log.example+0000ABCD+" + PUBLIC, "lower case"),
    "an id of seven digits": ("log.example+0000abc+" + PUBLIC, "8 hex digits"),
    "another key's id": ("log.example+0000abcd+" + PUBLIC, "id is not that"),
    "another name's id": (VKEY.replace("log.", "lag."), "id is not that"),
    "a type that is not known": ("log.example+0000abcd+AgAA" + PUBLIC[4:], "type 2"),
    "31 bytes": ("log.example+0000abcd+" + base64.b64encode(bytes([1] * 32)).decode(), "32 bytes"),
    "33 bytes": ("log.example+0000abcd+" + base64.b64encode(bytes([1] * 34)).decode(), "34 bytes"),
    "no base64": ("log.example+0000abcd+AQ!A" + PUBLIC[4:], "not base64"),
    "a newline at its end": (VKEY + "\n", "not base64"),
}


@pytest.mark.parametrize("name", VKEYS)
def test_a_verifier_key_is_refused_that_has(name: str) -> None:
    vkey, why = VKEYS[name]

    with pytest.raises(NoteError, match=why):
        VerifierKey.parse(vkey)


REQUEST = f"old 4\n{ROOT}\n{ROOT}\n\n{GOOD}"
REQUESTS: dict[str, tuple[str | bytes, str]] = {
    "no old size": (f"{ROOT}\n\n{GOOD}", "first line"),
    "an empty first line": (f"\n{REQUEST}", "first line"),
    "another word": (REQUEST.replace("old 4", "size 4"), "first line"),
    "two spaces": (REQUEST.replace("old 4", "old  4"), "decimal"),
    "a leading zero": (REQUEST.replace("old 4", "old 04"), "leading zeros"),
    "Arabic digits": (REQUEST.replace("old 4", "old ٤"), "ASCII digits"),
    "a sign": (REQUEST.replace("old 4", "old +4"), "decimal"),
    "no number": (REQUEST.replace("old 4", "old "), "decimal"),
    "a size of 2**63": (REQUEST.replace("old 4", f"old {2**63}"), "larger than"),
    "CRLF": (REQUEST.replace("\n", "\r\n"), "carriage return"),
    "a hash of 31 bytes": (f"old 4\n{base64.b64encode(bytes(31)).decode()}\n\n{GOOD}", "31 bytes"),
    "a hash with spare bits set": (f"old 4\n{SPARE}\n\n{GOOD}", "not canonical"),
    "64 hashes": (f"old 4\n{(ROOT + chr(10)) * 64}\n{GOOD}", "more than 63"),
    "no empty line": ("old 4\n", "no empty line"),
    "no note": ("old 4\n\n", "newline"),
    "a note without signatures": (f"old 4\n\n{BODY}", "no empty line"),
    "a trailing line": (REQUEST + "\n", "no signature"),
    "more than 1 MiB": ("old 4\n\n" + "x" * (1 << 20) + GOOD, "longer than"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_to_a_witness_is_refused_that_has(name: str) -> None:
    body, why = REQUESTS[name]

    with pytest.raises(NoteError, match=why):
        AddCheckpoint.parse(body)


def test_a_request_to_a_witness_is_read_and_written_byte_for_byte() -> None:
    assert AddCheckpoint.parse(REQUEST) == AddCheckpoint(4, (bytes(range(32)),) * 2, parse_note(GOOD))
    assert AddCheckpoint.parse(REQUEST.encode()).format() == REQUEST
    assert AddCheckpoint.parse(f"old 0\n\n{GOOD}").proof == ()


ANSWERS: dict[str, tuple[Callable[[str], object], str, str]] = {
    "no cosignature": (parse_cosignatures, "", "newline"),
    "an empty line only": (parse_cosignatures, "\n", "empty line"),
    "an empty line among the cosignatures": (parse_cosignatures, f"{LINE}\n{OTHER}", "empty line"),
    "no last newline after a cosignature": (parse_cosignatures, LINE[:-1], "newline"),
    "one cosignature twice": (parse_cosignatures, LINE + LINE, "same name and key id"),
    "65 cosignatures": (parse_cosignatures, lines(65), "more than 64"),
    "an HTML page": (parse_cosignatures, "<html></html>\n", "em dash"),
    "no size": (parse_cosigned_size, "\n", "decimal"),
    "a size without a newline": (parse_cosigned_size, "7", "newline"),
    "a size with a leading zero": (parse_cosigned_size, "07\n", "leading zeros"),
    "two sizes": (parse_cosigned_size, "7\n8\n", "decimal"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_witness_s_answer_is_refused_that_has(name: str) -> None:
    parse, body, why = ANSWERS[name]

    with pytest.raises(NoteError, match=why):
        parse(body)


def test_a_witness_s_size_is_read_and_written() -> None:
    assert parse_cosigned_size(format_cosigned_size(0)) == 0
    assert parse_cosigned_size(b"20852163\n") == 20852163


SIGNED = Signature("log", b"\x00\x01\x02\x03", b"signature")
WRITTEN: dict[str, tuple[Callable[[], object], str]] = {
    "a text without its newline": (
        lambda: format_note(Note("text", (SIGNED,))),
        "no empty line",
    ),
    "no signature": (lambda: format_note(Note("text\n", ())), "no signature"),
    "a name that makes another line": (
        lambda: format_note(Note("text\n", (Signature("a b\n", b"abcd", b"x"),))),
        "base64",
    ),
    "a key id of five bytes": (
        lambda: format_note(Note("text\n", (Signature("a", b"abcde", b"x"),))),
        "read differently",
    ),
    "a cosignature with a key id of five bytes": (
        lambda: format_cosignatures([Signature("a", b"abcde", b"x")]),
        "read differently",
    ),
    "an origin that makes another line": (lambda: Checkpoint("a\n1", 1, bytes(32)), "newline"),
    "an origin with a control character": (lambda: Checkpoint("a\x1b", 1, bytes(32)), "control character"),
    "an origin with a lone surrogate": (lambda: Checkpoint("a\ud800", 1, bytes(32)), "lone surrogate"),
    "an empty origin": (lambda: Checkpoint("", 1, bytes(32)), "empty"),
    "an empty extension": (lambda: Checkpoint("a", 1, bytes(32), ("",)), "empty"),
    "a negative size": (lambda: Checkpoint("a", -1, bytes(32)), "between"),
    "a short root": (lambda: Checkpoint("a", 1, bytes(31)), "31 bytes"),
    "an empty log's other root": (lambda: Checkpoint("a", 0, bytes(32)), "empty log"),
    "a proof of 64 hashes": (
        lambda: AddCheckpoint(1, (bytes(32),) * 64, parse_note(GOOD)).format(),
        "more than 63",
    ),
    "two signatures by one key": (lambda: Note("text\n", (SIGNED, SIGNED)), "same name and key id"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_written_that_would_not_be_read_back(name: str) -> None:
    write, why = WRITTEN[name]

    with pytest.raises(NoteError, match=why):
        write()
