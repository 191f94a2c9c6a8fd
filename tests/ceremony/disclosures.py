"""Cases of disclosure as the key service would open them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from vault_service.crypto.dek import Dek
from vault_service.domain.case import Case, CollectionScope, Scope
from vault_service.domain.ids import new_uuid


def disclosure_case(dek: Dek, collections: Iterable[CollectionScope], **other: Any) -> Case:
    case = Case(
        v=1, case_id=new_uuid(), kind="disclosure", tenant=dek.tenant, user_id=dek.user, dek_id=dek.dek,
        epoch=1, login_index="ab" * 32, target_pk=None, recipient=None, stolen=False, requester=new_uuid(),
        app_id=None, reason="court order 17/2026", scope=Scope(collections=tuple(collections)), escrow_gen=1,
        manifest_serial=1, manifest_hash="cd" * 32, quorum=2, opened_at="2026-11-27T10:00:00.000000Z",
        not_before="2026-11-27T11:00:00.000000Z", expires_at="2026-12-27T10:00:00.000000Z", nonce="ef" * 32,
    )  # fmt: skip
    return msgspec.structs.replace(case, **other)
