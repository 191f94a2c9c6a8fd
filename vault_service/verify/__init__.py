"""Check an export of the audit trails offline, with public keys only.

Stands alone: the standard library and `cryptography`, nothing of the vault's that wrote the log. So an
auditor can read it in one sitting, in this order: findings, notes, tree, folder, trails, log, export,
receipts; and run it from a copy of this folder's parent: `python -m vault_service.verify DIR --key FILE`.
"""
