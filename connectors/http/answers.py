"""What a web answer's headers and bytes show about it: how old it is, and which text or JSON its bytes are.

A cache between us and an office may hand out an answer of the past, which would clear or hold students by what was
true then. JSON is UTF-8 between systems (RFC 8259, section 8.1), but not every system keeps to that.
"""

import codecs
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any

#: Seconds that an answer may take on its way without being called old.
_ON_ITS_WAY = 5.0

#: Codes of the header Warning by which a cache says that its answer is, or may be, out of date (RFC 7234, section 5.5).
_OUT_OF_DATE = re.compile(r"(?:^|,)\s*(110|111|112|113)\b")

#: Headers in which caches say what they did; not standardised, but for the last one (RFC 9211).
_CACHES_SAY = ("X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "Cache-Status")

#: So much more of the text must be readable than not, to call it text of that charset with broken letters.
_MOSTLY = 2

_REPLACEMENT = "\ufffd"


#: Names by which an answer of HTTP 200 says at its top, in the field, that it failed; compared without case, - and _.
_SUCCESS = frozenset({"success", "issuccess", "succeeded", "ok"})
_CODES = frozenset({"code", "status", "statuscode", "resultcode", "retcode", "respcode", "ret"})
_ERROR_CODES = frozenset({"errcode", "errorcode", "errno"})
_ERRORS = frozenset({"error", "errors"})
_REASONS = ("message", "msg", "errmsg", "errormsg", "errormessage", "error", "errors")
_FAILED = frozenset({"error", "fail", "failed", "failure", "exception"})

#: Codes of HTTP that mean a failure.
_HTTP_FAILURES = range(400, 600)

#: How a gzip archive begins (RFC 1952, section 2.3.1).
_GZIP = b"\x1f\x8b"

#: An error at most so many letters before the end may come of a text that was cut.
_AT_END = 2


class NotJsonError(ValueError):
    """Text that is not JSON; the text says why."""

    def __init__(self, why: str, *, at: int, cut: bool) -> None:
        super().__init__(why)
        #: Where it stops being JSON.
        self.at = at
        #: Whether it may be the beginning of JSON.
        self.cut = cut


def json_of(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what JSON holds, every digit of its numbers kept. Raises NotJsonError.

    A name that is in one object twice is refused: nobody says which of the two values is meant (RFC 8259, section 4).
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()) - _AT_END
        why = "several JSON values, one after another" if error.msg == "Extra data" else str(error)
        raise NotJsonError(why, at=error.pos, cut=cut and error.msg != "Extra data") from None
    except RecursionError as error:
        raise NotJsonError(str(error), at=1, cut=False) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJsonError(f'"{twice[:40]}" stands twice in one object', at=1, cut=False)
    return held


def _no_number(constant: str) -> Any:  # noqa: ANN401 - as json.loads wants it
    raise NotJsonError(f"{constant} is no number of JSON", at=1, cut=False)


def says_failed(body: object) -> str:
    """Return in which words an answer says at its top that it failed; empty where it does not.

    It is for answers of HTTP 200 about which the settings name no `ok`: `success` is false, `code` is one of HTTP's
    failures or negative, `errcode` is not 0, or there are `errors`.
    """
    if not isinstance(body, dict):
        return ""
    top = {re.sub(r"[-_\s]", "", str(name)).casefold(): value for name, value in body.items()}
    for name, value in top.items():
        if _is_failure(name, value):
            reason = next((top[word] for word in _REASONS if word != name and top.get(word)), None)
            return f"{name} is {value!r}" + (f", {reason}" if reason is not None else "")
    return ""


def _is_failure(name: str, value: object) -> bool:
    if name in _ERRORS:
        return bool(value) and value not in ("0", "false")
    said = str(value).strip().casefold()
    if name in _SUCCESS:
        return value is False or said in ("false", *_FAILED)
    if name not in _CODES | _ERROR_CODES or isinstance(value, bool):
        return False
    if not re.fullmatch(r"-?\d{1,9}", said):
        return said in _FAILED
    return int(said) < 0 or int(said) in _HTTP_FAILURES or (name in _ERROR_CODES and int(said) != 0)


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
    if content.startswith(_GZIP):
        raise CharsetError("it is packed with gzip, and no Content-Encoding says so")
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


class _Missing:
    """Stands for what is not there; None is a value of JSON's own."""

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


def at_path(body: object, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what stands at a dotted path; MISSING where there is nothing, and the body itself for no path.

    In a list a number leads on, counted from 0.
    """
    for name in path.split(".") if path else ():
        if isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return MISSING
    return body
