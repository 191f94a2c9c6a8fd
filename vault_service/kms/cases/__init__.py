"""Cases as the key service reads them, believing nothing unverified: who signed, when due, how ended."""
