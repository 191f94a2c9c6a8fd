"""Builds an AES-GCM ciphertext that opens under two keys (Len, Grubbs and Ristenpart, USENIX Security 2021).

GHASH is a polynomial in the authentication key H, evaluated at H, so the tags of two keys are two
linear equations; one free ciphertext block solves them for any keys, nonce and associated data.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 16
_REDUCTION = 0xE1 << 120  # x^128 + x^7 + x^2 + x + 1, in GCM's reflected order (NIST SP 800-38D, section 6.3)


def two_key_ciphertext(one: bytes, other: bytes, nonce: bytes, aad: bytes, first_block: bytes) -> bytes:
    """32 bytes of ciphertext and a 16-byte tag that both 256-bit keys accept, with 12-byte nonce and aad."""
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * 2 * _BLOCK).to_bytes(8, "big")
    hashes, masks, powers = [], [], []
    for key in (one, other):
        authentication = int.from_bytes(_aes(key, bytes(_BLOCK)), "big")
        masks.append(int.from_bytes(_aes(key, nonce + b"\x00\x00\x00\x01"), "big"))
        hashes.append(_ghash(authentication, aad, first_block + bytes(_BLOCK), lengths))
        powers.append(_multiply(authentication, authentication))  # the free block is last but one
    correction = _multiply(
        hashes[0] ^ masks[0] ^ hashes[1] ^ masks[1],
        _inverse(powers[0] ^ powers[1]),
    )
    tag = hashes[0] ^ masks[0] ^ _multiply(correction, powers[0])
    return first_block + correction.to_bytes(_BLOCK, "big") + tag.to_bytes(_BLOCK, "big")


def _aes(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # one block: what GCM is made of
    return encryptor.update(block) + encryptor.finalize()


def _ghash(authentication: int, aad: bytes, ciphertext: bytes, lengths: bytes) -> int:
    padded = aad + bytes(-len(aad) % _BLOCK) + ciphertext + lengths
    digest = 0
    for start in range(0, len(padded), _BLOCK):
        digest = _multiply(digest ^ int.from_bytes(padded[start : start + _BLOCK], "big"), authentication)
    return digest


def _multiply(one: int, other: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if other >> bit & 1:
            product ^= one
        one = one >> 1 ^ (_REDUCTION if one & 1 else 0)
    return product


def _inverse(value: int) -> int:
    """value^(2^128 - 2), by Fermat."""
    result, square = 1 << 127, value  # 1 << 127 is the field's one
    for _ in range(127):
        square = _multiply(square, square)
        result = _multiply(result, square)
    return result
