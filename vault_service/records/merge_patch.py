"""JSON Merge Patch (RFC 7396)."""

from vault_service.records.strict_json import JsonValue


def merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """The target as the patch leaves it (section 2): null removes, objects merge, all else replaces.

    Neither argument is changed. Recurses as deep as the patch, which strict_json bounds.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, change in patch.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), change)
    return merged
