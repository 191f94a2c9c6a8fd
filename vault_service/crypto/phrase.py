"""A case's verification phrase: six words that the person reads to each approver over the phone.

The words are derived from the case's hash: an approver's client computes them anew from the very case
that it is about to sign, so that whoever puts another case in its place (his own new password under the
same login) changes the words. They are no secret and stand for no right; they tie a voice to a case.

66 bits: to find a case whose phrase is another's takes about 2^66 tries *while* that case is open, and
the key service alone makes cases, with random bytes of its own in each of them.
"""

import functools
import hmac
from importlib.resources import files

from vault_service.domain.recovery_errors import IdentificationRefusedError

WORDS = 6
_BITS = 11  # of each word: 2,048 words
_HASH_LEN = 32  # SHA-256
_WORD_LIST = "phrase_words.txt"


@functools.cache
def phrase_words() -> tuple[str, ...]:
    """The 2,048 words, in the order that their indices name them."""
    return tuple(files("vault_service.crypto").joinpath(_WORD_LIST).read_text(encoding="ascii").split())


def verification_phrase(case_hash: bytes) -> str:
    """Six words with a blank between them. `case_hash`: 32 bytes, SHA-256 of the canonical case.

    The first 66 bits, big endian, 11 a word. Raises ValueError for anything but a whole hash: a
    shortened one would give the words of a case that there is not.
    """
    if len(case_hash) != _HASH_LEN:
        raise ValueError("a case's hash has 32 bytes")
    bits = int.from_bytes(case_hash, "big") >> (8 * _HASH_LEN - WORDS * _BITS)
    words = phrase_words()
    return " ".join(words[bits >> (_BITS * place) & ((1 << _BITS) - 1)] for place in reversed(range(WORDS)))


def check_phrase(typed: str, case_hash: bytes) -> None:
    """Whether an officer typed this case's phrase, in any case and with any white space.

    Raises IdentificationRefusedError, which says nothing of the phrase nor of how far it was right:
    an approver who is told which words are wrong needs nobody on the phone.
    """
    said = " ".join(typed.casefold().split()).encode(errors="replace")
    if not hmac.compare_digest(said, verification_phrase(case_hash).encode()):
        raise IdentificationRefusedError("the phrase is not this case's")
