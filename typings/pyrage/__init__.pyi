# What the project uses of pyrage, which comes without types.

from collections.abc import Sequence
from typing import BinaryIO

from pyrage import tag as tag
from pyrage import tagpq as tagpq
from pyrage import x25519 as x25519

class RecipientError(Exception): ...
class EncryptError(Exception): ...
class DecryptError(Exception): ...

def encrypt_io(
    reader: BinaryIO,
    writer: BinaryIO,
    recipients: Sequence[x25519.Recipient | tag.Recipient | tagpq.Recipient],
) -> None: ...
def decrypt(ciphertext: bytes, identities: Sequence[x25519.Identity]) -> bytes: ...
