"""Move users to the current login index: from the sealed logins, without anybody's password (promise P7).

The index is in the context of every outer layer, so all of a user's wraps get a new one, under the current
pepper, in one transaction with the login's row (storage/keys/login_moves.py). The credential keeps its id:
whoever is signing in is not disturbed. A user of whom one wrap does not open stays on the old index: under
the new one nothing would open it any more, not even once it had been put right from a backup.

Left as they are: the key of a case whose subject has another login by now, which can be executed no more, and
one that does not open, which is told. Cases themselves name the index that they were opened with; peel.py
knows that login under either.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence

from vault_service.crypto.seal import seal
from vault_service.domain.contexts import EncodedContext, LoginNameContext, login_index_input
from vault_service.domain.ids import TenantId, UserId
from vault_service.domain.manifest import Manifest
from vault_service.kms.rotation.rewrapped import Rewrapped
from vault_service.kms.service import KeyService
from vault_service.kms.users.recovery_code import code_guesses_of
from vault_service.kms.wrapping.keyring import login_index_label, pepper_label
from vault_service.kms.wrapping.peppered import (
    Opened,
    Peppered,
    of_escrow,
    of_regain_keys,
    of_users,
    open_many,
)
from vault_service.kms.wrapping.wraps import LoginBinding
from vault_service.storage.keys.login_moves import LoginMove, leads_to, move_logins
from vault_service.storage.keys.logins import has_login
from vault_service.storage.keys.peppered import (
    PepperedUser,
    escrow_between,
    page_of_users,
    regain_keys_between,
)
from vault_service.storage.keys.rewraps import NewWrap
from vault_service.storage.keys.rotations import Failure
from vault_service.storage.pool import Conn


def rewrap_login_index(service: KeyService, after: UserId, upto: UserId, limit: int) -> Rewrapped:
    """The next `limit` users, computed: two token operations for each wrap, and two more for the login.

    Raises UnavailableError.
    """
    manifest = service.manifests.fresh()
    with service.db.connection() as conn:
        page = page_of_users(conn, after, upto, limit)
        last = page[-1].user if len(page) == limit else None
        older = {row.user: row for row in page if row.login_index_gen < manifest.login_index_gen}
        escrow = escrow_between(conn, after, last or upto) if older else ()
        cases = regain_keys_between(conn, after, last or upto) if older else ()
    every = itertools.chain(of_users(older.values()), of_escrow(escrow, manifest), of_regain_keys(cases))
    found: dict[UserId, list[Peppered]] = defaultdict(list)
    for each in every:
        if each.user in older:
            found[each.user].append(each)
    moves, failures = _moves(service, manifest, older, found)
    index_gen, pepper_gen = manifest.login_index_gen, manifest.pepper_gen

    def write(conn: Conn) -> int:
        return move_logins(conn, moves, index_gen=index_gen, pepper_gen=pepper_gen, now=service.now())

    wraps = sum(len(move.wraps) for move in moves)
    return Rewrapped(len(page), last, wraps, tuple(failures), write)


def _moves(
    service: KeyService,
    manifest: Manifest,
    older: dict[UserId, PepperedUser],
    found: dict[UserId, list[Peppered]],
) -> tuple[list[LoginMove], list[Failure]]:
    opened, failures = open_many(
        service.keyring.token, list(itertools.chain.from_iterable(found.values())), manifest
    )
    by_user: dict[UserId, list[Opened]] = defaultdict(list)
    for each in opened:
        by_user[each.wrap.user].append(each)
    names = {
        user: next((each.inner for each in by_user[user] if each.wrap.place == "login"), None)
        for user in older
        if _is_whole(found[user], by_user[user])
    }
    bindings = _new_bindings(service, manifest, older, {user: name for user, name in names.items() if name})
    astray = _astray(service, older, bindings)
    failures += [Failure(user, "login-name") for user in astray]
    moving = [user for user in bindings if user not in astray]
    sealed = _sealed(service, manifest, older, bindings, [e for user in moving for e in by_user[user]])
    return [
        LoginMove(
            user, older[user].login_index, bindings[user].index,
            frozenset((each.place, each.key, each.wrap) for each in found[user]),
            tuple(sealed[user]), _guesses(older[user].login_index, bindings[user].index),
        )
        for user in moving
    ], failures  # fmt: skip


def _is_whole(found: Sequence[Peppered], opened: Sequence[Opened]) -> bool:
    """Every wrap of the user opened, but for keys of cases: those are not the user's yet."""
    own = [each for each in found if each.place != "case's regain key"]
    return len(own) == sum(each.wrap.place != "case's regain key" for each in opened)


def _new_bindings(
    service: KeyService, manifest: Manifest, older: dict[UserId, PepperedUser], names: dict[UserId, bytes]
) -> dict[UserId, LoginBinding]:
    gen = manifest.login_index_gen
    label = login_index_label(gen)
    wanted = [
        (label, login_index_input(TenantId(older[user].tenant), name.decode("utf-8")))
        for user, name in names.items()
    ]
    indexes = service.keyring.token.hmac_many(wanted)
    return {user: LoginBinding(index, gen) for user, index in zip(names, indexes, strict=True)}


def _astray(
    service: KeyService, older: dict[UserId, PepperedUser], bindings: dict[UserId, LoginBinding]
) -> set[UserId]:
    """Users to whom their login does not lead, or whose new index leads to somebody else.

    Moving them would put right, or cover up, what somebody did to the database. Who was only changed since
    they were read is none of them.
    """
    with service.db.connection() as conn:
        leads = leads_to(
            conn, [index for user, new in bindings.items() for index in (older[user].login_index, new.index)]
        )
        return {
            user
            for user, new in bindings.items()
            if (leads.get(older[user].login_index) != user or leads.get(new.index, user) != user)
            and has_login(conn, user, older[user].login_index)
        }


def _sealed(
    service: KeyService,
    manifest: Manifest,
    older: dict[UserId, PepperedUser],
    bindings: dict[UserId, LoginBinding],
    opened: Iterable[Opened],
) -> dict[UserId, list[NewWrap]]:
    todo: list[tuple[Opened, EncodedContext]] = []
    gen = manifest.pepper_gen
    for each in opened:
        user, new = each.wrap.user, bindings[each.wrap.user]
        if each.login.index != older[user].login_index:
            continue  # the key of a case about a login that the user has no more
        if each.wrap.place == "login":
            name = LoginNameContext(older[user].tenant, user, new.index_gen, new.index)
            todo.append((each, EncodedContext(name.encode())))
        else:
            todo.append((each, each.wrap.context(gen, new)))
    keys = service.keyring.token.hmac_many([(pepper_label(gen), place.encoded) for _, place in todo])
    made: dict[UserId, list[NewWrap]] = defaultdict(list)
    for (each, place), key in zip(todo, keys, strict=True):
        wrap = each.wrap
        made[wrap.user].append(NewWrap(wrap.place, wrap.key, wrap.wrap, seal(key, place, each.inner)))
    return made


def _guesses(old: bytes, new: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (old, new), (code_guesses_of(old), code_guesses_of(new))
