"""Kept outside the database, so that a restored backup shows: the log's heads, manifests, tombstones."""
