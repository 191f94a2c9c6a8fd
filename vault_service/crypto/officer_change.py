"""What may become of officers, quorum, floors and the current escrow key by the officers' own decision.

Looked at by whoever proposes it, by each officer before endorsing it, and by the key service before it
signs. A chain is believed by its signatures alone (manifest_chain.py); these rules keep a quorum from
signing, by mistake or because one of them was misled, what nobody could work under:

- it follows the newest manifest, and nothing else has changed: not the online token's keys, and not the
  break-glass key, whose words also give the escrow token's security officer PIN: both change together, by
  the words themselves;
- enough people can approve for the base quorum and can disclose for the disclosure quorum, and each can
  receive a share, of which there are 16 at the most. Their threshold is the base quorum;
- each signs with key files and receives shares with an X-Wing key, or signs with passkeys of the site that
  their pages have and receives shares with a P-256 key, which only the passkey opens;
- nobody is named twice: an officer id, an authenticator, a share key, a name, however it is written;
- escrow keys move as those of the online token do (domain/key_states.py), and a new one is a point of P-256.
  Whether wraps still need one that is to be destroyed the key service counts when it signs.

That one person hides behind two officer ids, with two key files or passkeys, no machine can tell. Officers
meet each newcomer, and compare the fingerprint of the key; see docs/recovery.md.
"""

import unicodedata

import msgspec

from vault_service.crypto.ed25519 import PUBLIC_BYTES, is_of_small_order
from vault_service.crypto.hpke import load_public_key
from vault_service.crypto.manifest_chain import check_follows
from vault_service.crypto.share_key import is_for_passkey, takes_shares
from vault_service.domain.errors import ManifestError, SealBrokenError
from vault_service.domain.key_states import check_key_changes
from vault_service.domain.manifest import Manifest, Officer, Passkey

MOST_NAME = 64  # characters
MOST_SHARES = 16  # SLIP-39, section "Shamir's secret sharing": of one group


def check_change(newest: Manifest, candidate: Manifest) -> None:
    """Whether officers may decide on this change. Raises ManifestError, which says what stands against it."""
    if candidate.serial <= newest.serial:
        raise _refused(candidate, f"was proposed before the present manifest {newest.serial} was made")
    check_follows(newest, candidate)
    same = msgspec.structs.replace(
        candidate,
        serial=newest.serial,
        previous=newest.previous,
        created_at=newest.created_at,
        keys=msgspec.structs.replace(candidate.keys, escrow=newest.keys.escrow),
        officers=newest.officers,
        quorum=newest.quorum,
        floors=newest.floors,
    )
    if same != newest:
        raise _refused(candidate, "changes more than officers, quorum, floors and escrow keys")
    if candidate.under_quorum() == newest.under_quorum():
        raise _refused(candidate, "changes nothing")
    check_escrow_keys(newest, candidate)
    check_people(candidate)


def check_people(candidate: Manifest) -> None:
    """Whether these officers can meet the quorums. Raises ManifestError."""
    quorum = candidate.quorum
    holders = sum(not {"approver", "discloser"}.isdisjoint(officer.roles) for officer in candidate.officers)
    if holders > MOST_SHARES:
        raise _refused(candidate, f"names {holders} officers to hold shares, and a secret has {MOST_SHARES}")
    for role, need in (("approver", quorum.base), ("discloser", quorum.disclosure)):
        have = sum(role in officer.roles for officer in candidate.officers)
        if have < need:
            raise _refused(candidate, f"names {have} officers with the role {role}, and the quorum is {need}")
    names = [folded(officer.name) for officer in candidate.officers]
    if len(set(names)) != len(names):
        raise _refused(candidate, "names two officers alike")
    for officer in candidate.officers:
        if not officer.name.isprintable():  # on a terminal it could hide the line that names it
            raise _refused(candidate, "names an officer with signs that do not print")
        if not officer.name.strip() or len(officer.name) > MOST_NAME:  # people read what follows it as well
            raise _refused(candidate, f"names an officer by none or more than {MOST_NAME} characters")
        check_keys(candidate, officer)
        if len(set(officer.roles)) != len(officer.roles) or not officer.roles:
            raise _refused(candidate, f"gives {officer.name} no role, or one twice")


def folded(name: str) -> str:
    """The same for names that people take for one another, however they are written."""
    return unicodedata.normalize("NFKC", name).casefold()


def check_keys(candidate: Manifest, officer: Officer) -> None:
    """Whether the officer can sign, and receive shares by the same means. Raises ManifestError."""
    if not officer.authenticators:
        raise _refused(candidate, f"gives {officer.name} nothing to sign with")
    if not takes_shares(officer.share_key):
        raise _refused(candidate, f"gives {officer.name} a key to which no share can be sealed")
    for each in officer.authenticators:
        if (each.kind == "passkey") != is_for_passkey(officer.share_key):
            raise _refused(candidate, f"gives {officer.name} a share key that a {each.kind} does not open")
        if each.kind == "key-file" and len(each.public_key) != 2 * PUBLIC_BYTES:
            raise _refused(candidate, f"gives {officer.name} an authenticator that is no Ed25519 key")
        if each.kind == "key-file" and is_of_small_order(bytes.fromhex(each.public_key)):
            raise _refused(candidate, f"gives {officer.name} a key in whose name anybody can sign")
        if each.kind == "passkey" and not is_for_passkey(each.public_key):  # ES256: the same curve
            raise _refused(candidate, f"gives {officer.name} a passkey that is no point of P-256")
        if isinstance(each.passkey, Passkey) and not is_own_site(each.passkey):
            raise _refused(candidate, f"gives {officer.name} a passkey of another site than it signs at")


def is_own_site(passkey: Passkey) -> bool:
    """Whether it is bound to the very host that its page has, over TLS or on the officer's own machine.

    A relying party may also be a parent domain: then any host below it could ask for signatures.
    """
    scheme, _, host = passkey.origin.partition("://")
    name = host.rpartition(":")[0] if ":" in host else host
    return name == passkey.rp_id and (scheme == "https" or name == "localhost")


def check_escrow_keys(newest: Manifest, candidate: Manifest) -> None:
    """Whether each generation takes a step that it may take. Raises ManifestError."""
    check_key_changes(newest.keys, candidate.keys)
    gens = [key.gen for key in candidate.keys.escrow]
    if sorted(gens) != gens:
        raise _refused(candidate, "lists its escrow keys in another order")
    known = {key.gen for key in newest.keys.escrow}  # there may be gaps: of a ceremony that died
    for key in candidate.keys.escrow:
        if key.gen in known:
            continue
        try:
            load_public_key(bytes.fromhex(key.public_key))
        except SealBrokenError:
            raise _refused(candidate, f"names an escrow key {key.gen} that is no point of P-256") from None


def _refused(candidate: Manifest, why: str) -> ManifestError:
    return ManifestError(f"manifest {candidate.serial} {why}", remedy="Propose another one.")
