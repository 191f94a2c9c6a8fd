"""A transparency log's formats and proofs, without I/O: RFC 6962 trees, C2SP tiles, notes and checkpoints."""
