"""age files (age-encryption.org/v1), for what leaves the vault: only the recipient's own key opens them."""

from typing import BinaryIO, TypeAlias

from pyrage import RecipientError, encrypt_io, tag, tagpq, x25519

from vault_service.domain.errors import InvalidInputError

AgeKey: TypeAlias = "x25519.Recipient | tag.Recipient | tagpq.Recipient"


def load_recipient(recipient: str) -> AgeKey:
    """A native recipient (age1…) or one of a hardware key (age1tag1…, age1tagpq1…); Bech32 with its checksum.

    To be called when a case is opened as well: found out after the officers have agreed, a mistyped
    recipient costs them everything once more. Raises InvalidInputError.
    """
    kinds: tuple[type[AgeKey], ...] = (x25519.Recipient, tag.Recipient, tagpq.Recipient)
    for kind in kinds:
        try:
            return kind.from_str(recipient)
        except RecipientError:
            continue
    raise InvalidInputError("recipient", "not an age recipient (age1…), or a letter of it is wrong")


def encrypt_stream(plain: BinaryIO, sealed: BinaryIO, recipient: str) -> None:
    """Encrypt from one file-like object into another, 64 KiB at a time.

    Raises InvalidInputError; EncryptError of pyrage with the text of whatever `plain` or `sealed` raised.
    """
    encrypt_io(plain, sealed, [load_recipient(recipient)])
