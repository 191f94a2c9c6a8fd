"""audit.vkey: the public keys that an auditor needs, of both logs and of those who cosign them."""

from collections.abc import Sequence

from vault_service.crypto.manifest_chain import SignedManifest, verify_chain
from vault_service.domain.errors import ManifestError
from vault_service.domain.logs import LOGS, key_name
from vault_service.tlog.keys import ED25519, VerifierKey

# A key that is prepared has signed nothing yet: it is named once it is current.
_WORDS = {"signing": ("current",), "retired": ("retiring", "destroyed")}


def key_file(chain: Sequence[SignedManifest], *, fingerprint: str, cosigners: Sequence[str]) -> str:
    """The file's text: `signing`, `retired` and `cosigning` lines, each with a C2SP verifier key.

    `fingerprint`: the pinned one, 64 hex digits; `cosigners`: verifier keys from the settings. Raises
    ManifestError for a chain that is not the pinned one.
    """
    if not fingerprint:
        raise ManifestError("no fingerprint is pinned, so that no manifest can be believed")
    manifest = verify_chain(chain, pinned=bytes.fromhex(fingerprint))
    lines: list[str] = []
    for log in LOGS:
        name = key_name(fingerprint, log)
        for word, states in _WORDS.items():
            lines += [
                f"{word} {VerifierKey(name, ED25519, bytes.fromhex(key.public_key)).format()}"
                for key in manifest.keys.audit_signing
                if key.state in states
            ]
    lines += [f"cosigning {vkey}" for vkey in sorted(set(cosigners))]
    return "".join(f"{line}\n" for line in lines)
