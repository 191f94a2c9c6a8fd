"""The least that may ever be asked of passwords: no policy file and no manifest goes below."""

from vault_service.domain.contexts import KdfParams

# OWASP Password Storage Cheat Sheet: the least that is still called strong (19 MiB, t=2, p=1).
KDF_FLOOR = KdfParams(memory_kib=19_456, iterations=2, lanes=1)
# Above this a stored row or a policy file would be a way to exhaust memory.
KDF_CEILING = KdfParams(memory_kib=2_097_152, iterations=64, lanes=1)
MIN_CODE_POINTS = 15  # NIST SP 800-63B-4, section 3.1.1.2: single-factor passwords
MAX_GUESSES = 100  # failures in a row; NIST SP 800-63B-4, section 3.2.2
