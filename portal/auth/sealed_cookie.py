"""Sealed values: a browser keeps them and can neither read nor change them. Every worker can open them."""

import json
from collections.abc import Mapping
from datetime import datetime

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

_ALGORITHMS = {"alg": "dir", "enc": "A256GCM"}


def seal(key: bytes, values: Mapping[str, str], until: datetime) -> str:
    """Return the values as text that only the same 32-byte key opens, and only before `until`."""
    plain = json.dumps({"until": until.timestamp(), "values": dict(values)}).encode()
    return jwe.encrypt_compact(_ALGORITHMS, plain, OctKey.import_key(key))


def unseal(key: bytes, text: str, now: datetime) -> dict[str, str] | None:
    """Return the sealed values; None if they are too old, were changed, or were not sealed with this key."""
    try:
        opened = jwe.decrypt_compact(text, OctKey.import_key(key), algorithms=list(_ALGORITHMS.values())).plaintext
    except (JoseError, ValueError):
        return None
    sealed = json.loads(opened or b"{}")
    values: dict[str, str] = sealed["values"]
    return values if now.timestamp() < sealed["until"] else None
