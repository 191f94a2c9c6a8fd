"""Which answer belongs to which request of a recovery; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.recovery_messages import ManifestSigned, SignManifest

ANSWERS: dict[type[Request], type[Answer]] = {
    SignManifest: ManifestSigned,
}
