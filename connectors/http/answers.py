"""Headers and bytes of an HTTP answer: how old it is, and the text or JSON of its bytes.

A cache between us and an office can return an old answer, which would clear or hold students by old data. JSON is
UTF-8 between systems (RFC 8259, section 8.1), but not every system follows that.
"""

import codecs
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any

from foundation.translation import tr

#: An answer up to this age, in seconds, is not old.
_ON_ITS_WAY = 5.0

#: Codes of the header Warning for an answer that is, or may be, out of date (RFC 7234, section 5.5).
_OUT_OF_DATE = re.compile(r"(?:^|,)\s*(110|111|112|113)\b")

#: Headers in which caches report a hit; only the last one is standardised (RFC 9211).
_CACHES_SAY = ("X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "Cache-Status")

#: Text is in a charset if its readable letters are more than this many times its broken ones.
_MOSTLY = 2

_REPLACEMENT = "\ufffd"


#: Top-level names that show a failure in an answer of HTTP 200; compared without case, - and _.
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

#: An error within this many letters of the end may mean that the text was cut off.
_AT_END = 2


class NotJsonError(ValueError):
    """Text that is not JSON; the message gives the reason."""

    def __init__(self, why: str, *, at: int, cut: bool) -> None:
        super().__init__(why)
        #: The position of the error.
        self.at = at
        #: Whether it may be the beginning of JSON.
        self.cut = cut


def json_of(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the value of JSON, with every digit of its numbers. Raises NotJsonError.

    A duplicate name in one object is refused: which value is meant is not defined (RFC 8259, section 4).
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique_names)
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()) - _AT_END
        why = tr("several JSON values, one after another") if error.msg == "Extra data" else str(error)
        raise NotJsonError(why, at=error.pos, cut=cut and error.msg != "Extra data") from None
    except RecursionError as error:
        raise NotJsonError(str(error), at=1, cut=False) from None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise NotJsonError(
            tr('"{duplicate}" is a duplicate name in one object', duplicate=duplicate[:40]), at=1, cut=False
        )
    return held


def _refuse_constant(constant: str) -> Any:  # noqa: ANN401 - as json.loads wants it
    raise NotJsonError(tr("{constant} is not a number in JSON", constant=constant), at=1, cut=False)


def failure_text(body: object) -> str:
    """Return the text of a failure that an answer reports in its top-level names; empty where it reports none.

    It applies to answers of HTTP 200 where the settings have no `ok`: `success` is false, `code` is an HTTP failure or
    negative, `errcode` is not 0, or there are `errors`.
    """
    if not isinstance(body, dict):
        return ""
    top = {re.sub(r"[-_\s]", "", str(name)).casefold(): value for name, value in body.items()}
    for name, value in top.items():
        if _is_failure(name, value):
            reason = next((top[word] for word in _REASONS if word != name and top.get(word)), None)
            words = tr("{path} is {there}", path=name, there=repr(value))
            return words if reason is None else tr("{words}, {reason}", words=words, reason=reason)
    return ""


def _is_failure(name: str, value: object) -> bool:
    if name in _ERRORS:
        return bool(value) and value not in ("0", "false")
    text = str(value).strip().casefold()
    if name in _SUCCESS:
        return value is False or text in ("false", *_FAILED)
    if name not in _CODES | _ERROR_CODES or isinstance(value, bool):
        return False
    if not re.fullmatch(r"-?\d{1,9}", text):
        return text in _FAILED
    return int(text) < 0 or int(text) in _HTTP_FAILURES or (name in _ERROR_CODES and int(text) != 0)


class CharsetError(ValueError):
    """Bytes that are not text of their charset; the message lists what was tried."""


def cached_for(headers: Mapping[str, str]) -> float:
    """Return how many seconds an answer has been in caches; 0 for an answer of the system itself."""
    age = headers.get("Age", "").strip()
    seconds = float(age) if age.isdecimal() else 0.0
    return seconds if seconds > _ON_ITS_WAY else 0.0


def stale_reason(headers: Mapping[str, str]) -> str:
    """Return why an answer is out of date; empty where no header shows it."""
    if found := _OUT_OF_DATE.search(headers.get("Warning", "")):
        return f"Warning: {found[1]}"
    hit = ""
    for name in _CACHES_SAY:
        words = re.findall(r"[a-z]+", headers.get(name, "").lower())
        if {"stale", "updating"} & set(words) and "fwd" not in words:
            return f"{name}: {headers[name][:40]}"
        if "hit" in words:
            hit = tr("{name}: {value}, without its Age", name=name, value=headers[name][:40])
    old, fresh = cached_for(headers), _fresh_for(headers)
    if old > max(fresh, _ON_ITS_WAY):
        return tr("Age: {old:.0f} s, where {fresh:.0f} s count as fresh", old=old, fresh=fresh)
    return hit if "Age" not in headers else ""


def _fresh_for(headers: Mapping[str, str]) -> float:
    """Return how many seconds an answer can be kept (RFC 9111, section 4.2.1); 0 where no header defines it."""
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
    """Return an answer's text; `charset` is from the settings and overrides the charset that the answer declares.

    Valid UTF-8 is read as UTF-8, whatever is declared. Text with a few broken letters is read with U+FFFD for each of
    them. Raises CharsetError with the cause where no charset fits.
    """
    if content.startswith(_GZIP):
        raise CharsetError(tr("it is packed with gzip, without a Content-Encoding"))
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
    raise CharsetError(_charset_problem(content, charset, declared))


def _declared(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    value = header.get_param("charset", "")
    return value.strip("'\" ") if isinstance(value, str) else ""


def _is_known(charset: str) -> bool:
    try:
        return codecs.lookup(charset)._is_text_encoding  # noqa: SLF001 - there is no public attribute
    except (LookupError, ValueError):
        return False


def _charset_problem(content: bytes, by_settings: str, declared: str) -> str:
    charset = (by_settings or declared)[:40]
    if not charset:
        why = tr("it declares no charset and is not UTF-8")
    elif not _is_known(charset):
        why = tr('the charset "{charset}" is not known here, and it is not UTF-8', charset=charset)
    elif by_settings:
        why = tr("it is not {charset}", charset=charset)
    elif charset.lower().replace("-", "") == "utf8":
        why = tr("it declares UTF-8, but is not UTF-8")
    else:
        why = tr("it declares {charset}, but is neither {charset} nor UTF-8", charset=charset)
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return why
    return why if charset.lower().startswith("gb") else tr("{why}; its bytes would fit GB18030", why=why)


class _Missing:
    """The type of MISSING, for an absent value; None is a value in JSON."""

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


def at_path(body: object, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the value at a dotted path; MISSING where there is none, and the body itself for an empty path.

    A number in the path is an index of a list, from 0.
    """
    for name in path.split(".") if path else ():
        if isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return MISSING
    return body
