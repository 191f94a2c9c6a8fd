"""JSON Merge Patch (RFC 7396) on raw JSON: what a patch does not name keeps its bytes.

Parsed and written again, a member that nobody touched could change: 0.10000000000000000555 would
become 0.1, and an escape another spelling.
"""

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SPACE = b" \t\r\n"  # RFC 8259, section 2
_NULL = b"null"


def merge_patch(target: bytes, patch: bytes) -> bytes:
    """The target as the patch leaves it (section 2): null removes, objects merge, all else replaces.

    Both are JSON that strict_json has accepted; it also bounds the depth of the recursion.
    """
    if not _is_object(patch):
        return patch
    merged = _OBJECT.decode(target) if _is_object(target) else {}
    for name, change in _OBJECT.decode(patch).items():
        if bytes(change) == _NULL:
            merged.pop(name, None)
        else:
            merged[name] = msgspec.Raw(merge_patch(bytes(merged.get(name, _NULL)), bytes(change)))
    return msgspec.json.encode(merged)


def _is_object(raw: bytes) -> bool:
    return raw.lstrip(_SPACE).startswith(b"{")
