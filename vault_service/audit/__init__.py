"""The sealed logs: events become leaves of a tree whose heads are signed and cosigned."""
