"""Why a passkey's answer does not count, in words for the person who holds it.

Only an explanation, made after the judgement: what it reads was sent by whoever answered.
"""

import hashlib
import json

from cryptography.exceptions import InvalidSignature
from fido2.utils import websafe_encode
from fido2.webauthn import AuthenticatorData

from vault_service.crypto.webauthn import Assertion, backup_is_plausible, challenge_of
from vault_service.domain.manifest import Passkey
from vault_service.web.texts import mark


def reason_of(passkey: Passkey, assertion: Assertion, message: bytes) -> str:
    """One sentence, which the catalogues have; nothing of what was sent stands in it."""
    try:
        client = json.loads(assertion.client_data_json)
        data = AuthenticatorData(assertion.authenticator_data)
        told = {name: client.get(name) for name in ("type", "challenge", "origin")}
        own_frame = client.get("crossOrigin", False) is False and "topOrigin" not in client
    except (
        ValueError,
        AttributeError,
        RecursionError,
        IndexError,
        KeyError,
        TypeError,
        EOFError,
        InvalidSignature,
    ):
        return mark("what the browser sent is no answer of a passkey")
    at_home = data.rp_id_hash == hashlib.sha256(passkey.rp_id.encode()).digest()
    if told["origin"] != passkey.origin or not at_home or not own_frame:
        return mark("it was signed on another page than this console's")
    if told["type"] != "webauthn.get" or told["challenge"] != websafe_encode(challenge_of(message)):
        return mark("it was signed for something else than what this page asked for, or earlier")
    if not data.flags & AuthenticatorData.FLAG.UV or not data.flags & AuthenticatorData.FLAG.UP:
        return mark("the passkey did not check that it is you: no fingerprint, face or PIN was asked for")
    if not backup_is_plausible(data.flags):
        return mark("what the passkey says of itself cannot be")
    return mark("another passkey answered than the one that is enrolled for you")
