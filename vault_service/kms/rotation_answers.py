"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Done, Request
from vault_service.kms.rotation_messages import (
    AddDataKey,
    DataKeyAdded,
    DataKeysDemanded,
    DemandDataKeys,
    DropDataKey,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    AddDataKey: DataKeyAdded,
    DemandDataKeys: DataKeysDemanded,
    DropDataKey: Done,
}
