"""What HTTP clients of tests verify by where there is no TLS: nothing, made once.

Else each client reads all authorities of the system, which takes longer than most of its calls.
"""

import ssl

CLEAR_TEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
