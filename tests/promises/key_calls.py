"""The calls about generations of keys, with what each needs to be there before."""

from tests.promises.every_call import Called, Somebody
from tests.rotation.operator import Operator
from vault_service.domain.rotation import OnlineKind
from vault_service.kms.protocol.rotation_messages import (
    CreateKey,
    DestroyKey,
    ListGenerations,
    MakeKeyCurrent,
    RetireKey,
    TakeCensus,
)


def _prepare(kind: OnlineKind, who: Somebody, *, retire: bool = False) -> None:
    with Operator.of(who.vault) as operator:
        made = operator.create(kind)
        if retire:
            operator.retire(kind, made.gen)


def _fingerprint(kind: OnlineKind, who: Somebody) -> tuple[OnlineKind, int, str]:
    """Of the newest one."""
    with Operator.of(who.vault) as operator:
        newest = operator.all(kind)[-1]
    return kind, newest.gen, newest.fingerprint


KEY_CALLS: dict[str, Called] = {
    "create_key": Called("operator", lambda _: CreateKey("pepper")),
    "make_key_current": Called(
        "operator", lambda who: MakeKeyCurrent(*_fingerprint("note", who)[:2]),
        lambda who: _prepare("note", who),
    ),
    "retire_key": Called(
        "operator", lambda who: RetireKey(*_fingerprint("case", who)), lambda who: _prepare("case", who)
    ),
    "destroy_key": Called(
        "operator", lambda who: DestroyKey(*_fingerprint("manifest", who)),
        lambda who: _prepare("manifest", who, retire=True),
    ),
}  # fmt: skip
KEY_SILENT: dict[str, Called] = {
    "list_generations": Called("operator", lambda _: ListGenerations()),
    "take_census": Called("operator", lambda _: TakeCensus("pepper", 1)),
}
