"""What a new manifest changes, in words: what an officer reads before endorsing it.

Nothing is left out: whatever no line here names is named by its member, so that a change cannot hide.
"""

import hashlib
from collections.abc import Iterable
from uuid import UUID

import msgspec

from vault_service.domain.manifest import Authenticator, Floors, Manifest, Officer

_SAID = frozenset({"v", "serial", "previous", "created_at", "officers", "quorum", "floors", "keys"})

_OURS = frozenset({"with", "the", "roles", "key", "to", "has", "of", "instead", "gives", "adds", "removes"})


def key_fingerprint(officer: Officer) -> str:
    """What two people read to one another: 80 bits over all that the officer signs and receives with.

    Of a passkey also where it signs: moved to another site, it would sign there what counts here. And the ids
    that its share key is wrapped for: under others the officer signs, and opens no share.
    """
    keys = sorted(_authenticator(officer, each) for each in officer.authenticators)
    digest = hashlib.sha256("/".join([*keys, officer.share_key]).encode("ascii")).hexdigest()
    return "-".join(digest[start : start + 4] for start in range(0, 20, 4))


def _authenticator(officer: Officer, auth: Authenticator) -> str:
    passkey = auth.passkey
    if isinstance(passkey, msgspec.UnsetType):
        return auth.public_key
    places = (passkey.credential_id, passkey.rp_id, passkey.origin, passkey.wrapped_share_key)
    ids = (str(officer.officer_id), str(auth.authenticator_id))
    return " ".join((auth.public_key, *places, *ids))  # hex, hosts, ids: none of them has a space in it


def _where(officer: Officer) -> str:
    """At which site an officer signs."""
    origins = [
        each.passkey.origin
        for each in officer.authenticators
        if not isinstance(each.passkey, msgspec.UnsetType)
    ]
    return f" (passkey of {', '.join(origins)})" if origins else ""


def _called(officer: Officer) -> str:
    """In quotes where it could be read as more of the sentence: "eve with the roles auditor"."""
    name = officer.name
    is_plain = all(each.isalnum() or each in " .'-_" for each in name) and _OURS.isdisjoint(name.split())
    return name if is_plain else f'"{name.replace(chr(34), chr(39))}"'


def difference(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """One sentence for each thing that is other than it was."""
    return (
        *_people(before, after),
        *_numbers("quorum", before.quorum, after.quorum),
        *_floors(before.floors, after.floors),
        *_keys(before, after),
        *(
            f"changes {name}"
            for name in before.__struct_fields__
            if name not in _SAID and getattr(before, name) != getattr(after, name)
        ),
    )


def _people(before: Manifest, after: Manifest) -> Iterable[str]:
    was = {officer.officer_id: officer for officer in before.officers}
    will_be = {officer.officer_id: officer for officer in after.officers}
    for officer in before.officers:
        if officer.officer_id not in will_be:
            yield f"removes officer {_called(officer)} ({', '.join(officer.roles)})"
    for officer in after.officers:
        old = was.get(officer.officer_id)
        if old is None:
            yield (
                f"adds officer {_called(officer)} with the roles {', '.join(officer.roles)}, "
                f"key {key_fingerprint(officer)}{_where(officer)}, {_accounts(officer.user_ids)}"
            )
        elif old != officer:
            yield from _person(old, officer)
    if [each for each in was if each in will_be] != [each for each in will_be if each in was]:
        yield "names the officers in another order"


def _person(old: Officer, new: Officer) -> Iterable[str]:
    if old.name != new.name:
        yield f"renames officer {_called(old)} to {_called(new)}"
    if old.roles != new.roles:
        yield f"gives {_called(new)} the roles {', '.join(new.roles)} instead of {', '.join(old.roles)}"
    kept = len(old.authenticators)
    if old.share_key == new.share_key and old.authenticators == new.authenticators[:kept]:
        for each in new.authenticators[kept:]:  # by the fingerprint that its owner reads out
            spare = msgspec.structs.replace(new, authenticators=(each,))
            yield (
                f"gives {_called(new)} a further key beside {key_fingerprint(old)}: "
                f"{key_fingerprint(spare)}{_where(spare)}"
            )
    else:
        yield f"re-keys {_called(new)}: {key_fingerprint(old)} -> {key_fingerprint(new)}{_where(new)}"
    if old.user_ids != new.user_ids:
        will_have, had = _accounts(new.user_ids), _accounts(old.user_ids)
        yield f"declares that {_called(new)} has {will_have}, instead of {had}"


def _accounts(ids: tuple[UUID, ...]) -> str:
    return f"the accounts {', '.join(map(str, ids))}" if ids else "no account here"


def _numbers(what: str, before: msgspec.Struct, after: msgspec.Struct) -> Iterable[str]:
    for name in before.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{what} {name.replace('_', ' ')}: {old} -> {new}"


def _floors(before: Floors, after: Floors) -> Iterable[str]:
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(after)
    old_recovery, new_recovery = old.pop("recovery", {}), new.pop("recovery", {})
    for was, will_be in ((old, new), (old_recovery, new_recovery)):
        for name in sorted(was.keys() | will_be.keys()):
            least, will = was.get(name, "none"), will_be.get(name, "none")
            if least != will:
                yield f"floor {name.replace('_', ' ')}: {least} -> {will}"


def _keys(before: Manifest, after: Manifest) -> Iterable[str]:
    for kind in before.keys.__struct_fields__:
        old = {key.gen: key for key in getattr(before.keys, kind)}
        new = {key.gen: key for key in getattr(after.keys, kind)}
        for gen in sorted(old.keys() | new.keys()):
            was, will_be = old.get(gen), new.get(gen)
            if was == will_be:
                continue
            if was is None:
                yield f"adds {kind} key {gen} ({new[gen].state}){_digest(new[gen])}"
            elif will_be is None:
                yield f"leaves out {kind} key {gen} ({was.state}){_digest(was)}"
            elif msgspec.structs.replace(was, state=will_be.state) == will_be:
                digest = _digest(was) if will_be.state == "destroyed" else ""
                yield f"{kind} key {gen}: {was.state} -> {will_be.state}{digest}"
            else:
                yield f"REPLACES {kind} key {gen} by another one"


def _digest(key: object) -> str:
    """As an event of the key ceremony names it: officers compare the two."""
    point = getattr(key, "public_key", None)
    return "" if point is None else f", SHA-256 {hashlib.sha256(bytes.fromhex(point)).hexdigest()}"
