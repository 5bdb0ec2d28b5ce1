"""What a web answer's headers and bytes show about it: how old it is, and which text its bytes are.

A cache between us and an office may hand out an answer of the past, which would clear or hold students by what was
true then. JSON is UTF-8 between systems (RFC 8259, section 8.1), but not every system keeps to that.
"""

import codecs
import json
import re
from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime

#: Seconds that an answer may take on its way without being called old.
_ON_ITS_WAY = 5.0

#: Codes of the header Warning by which a cache says that its answer is, or may be, out of date (RFC 7234, section 5.5).
_OUT_OF_DATE = re.compile(r"(?:^|,)\s*(110|111|112|113)\b")

#: Headers in which caches say what they did; not standardised, but for the last one (RFC 9211).
_CACHES_SAY = ("X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "Cache-Status")

#: So much more of the text must be readable than not, to call it text of that charset with broken letters.
_MOSTLY = 2

_REPLACEMENT = "\ufffd"


class CharsetError(ValueError):
    """Bytes that are not text of the charset they are said to be; the text says what was tried."""


def cached_for(headers: Mapping[str, str]) -> float:
    """Return how many seconds an answer has been in caches; 0 for one that comes from the system itself."""
    said = headers.get("Age", "").strip()
    seconds = float(said) if said.isdecimal() else 0.0
    return seconds if seconds > _ON_ITS_WAY else 0.0


def why_stale(headers: Mapping[str, str]) -> str:
    """Say why an answer is not what the system says now; empty where nothing speaks against it."""
    if found := _OUT_OF_DATE.search(headers.get("Warning", "")):
        return f"Warning: {found[1]}"
    hit = ""
    for name in _CACHES_SAY:
        words = re.findall(r"[a-z]+", headers.get(name, "").lower())
        if {"stale", "updating"} & set(words) and "fwd" not in words:
            return f"{name}: {headers[name][:40]}"
        if "hit" in words:
            hit = f"{name}: {headers[name][:40]}, without its Age"
    old, fresh = cached_for(headers), _fresh_for(headers)
    if old > max(fresh, _ON_ITS_WAY):
        return f"Age: {old:.0f} s, where {fresh:.0f} s count as fresh"
    return hit if "Age" not in headers else ""


def _fresh_for(headers: Mapping[str, str]) -> float:
    """Return how many seconds an answer may be kept (RFC 9111, section 4.2.1); 0 where it does not say so."""
    control = headers.get("Cache-Control", "").lower()
    if "no-cache" in control or "no-store" in control:
        return 0.0
    for directive in ("s-maxage", "max-age"):
        if found := re.search(rf'(?:^|[\s,]){directive}="?(\d+)', control):
            return float(found[1])
    try:
        until, sent = parsedate_to_datetime(headers["Expires"]), parsedate_to_datetime(headers["Date"])
        return max(0.0, (until - sent).total_seconds())
    except (KeyError, TypeError, ValueError):
        return 0.0


def text_of(content: bytes, content_type: str, charset: str = "") -> str:
    """Return an answer's text; `charset` is what the settings say it is, which goes before the answer's own word.

    Valid UTF-8 is read as that, whatever is declared. Text with a few broken letters is read with U+FFFD for each of
    them. Raises CharsetError with the cause where no charset fits.
    """
    by_itself = json.detect_encoding(content)
    if not charset and not by_itself.startswith("utf-8"):
        charset = by_itself
    declared = _declared(content_type)
    tried = [charset] if charset else ["utf-8-sig", *([declared] if declared else [])]
    known = [name for name in tried if _is_known(name)]
    for name in known:
        try:
            return content.decode(name).lstrip("\ufeff")
        except UnicodeDecodeError:
            continue
    for name in reversed(known):
        text = content.decode(name, "replace").lstrip("\ufeff")
        broken, odd = text.count(_REPLACEMENT), sum(1 for letter in text if letter > "\x7f")
        if odd - broken > _MOSTLY * broken:
            return text
    raise CharsetError(_why_not(content, charset, declared))


def _declared(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    said = header.get_param("charset", "")
    return said.strip("'\" ") if isinstance(said, str) else ""


def _is_known(charset: str) -> bool:
    try:
        return codecs.lookup(charset)._is_text_encoding  # noqa: SLF001 - the only word on it
    except (LookupError, ValueError):
        return False


def _why_not(content: bytes, by_settings: str, declared: str) -> str:
    charset = (by_settings or declared)[:40]
    if not charset:
        why = "it declares no charset and is not UTF-8"
    elif not _is_known(charset):
        why = f'"{charset}" is a charset that is not known here, and it is not UTF-8'
    elif by_settings:
        why = f"it is not {charset}"
    elif charset.lower().replace("-", "") == "utf8":
        why = "it declares UTF-8 and is not that"
    else:
        why = f"it declares {charset} and is neither that nor UTF-8"
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return why
    return why if charset.lower().startswith("gb") else f"{why}; its bytes would fit GB18030"
