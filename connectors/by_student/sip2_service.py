"""A library's SIP2 service: what it reports about itself, and what a pull asks it."""

from collections.abc import Iterator

from connectors.by_student.sip2_line import Sip2Line
from connectors.by_student.sip2_wire import Message, Sip2Terminal
from connectors.http.worker_pool import PerStudent
from connectors.port import SourceRefused
from foundation.translation import tr

#: The messages that a system reports in its 98 (BX), by position.
_MESSAGES = (
    "patron status", "checkout", "checkin", "block patron", "status", "resend", "login", "patron information",
    "end of session", "fee paid", "item information", "item status update", "patron enable", "hold", "renew",
    "renew all",
)  # fmt: skip
_PATRON, _ITEM = _MESSAGES.index("patron information"), _MESSAGES.index("item information")


def refuse_unsupported(terminal: Sip2Terminal, status: Message) -> None:
    """Raise SourceRefused where the service answers no question about readers."""
    supported = status.one("BX") or ""
    if supported[_PATRON : _PATRON + 1].upper() == "N":
        raise SourceRefused(
            tr(
                "{named} reports that it does not answer questions about readers (patron information, BX)",
                named=terminal.named,
            ),
            tr("Have the library turn on patron information for this account."),
        )


def service_warnings(status: Message, line: Sip2Line, institution: str, *, items: bool) -> Iterator[str]:
    """Yield what needs attention; `institution` is the one that is asked, with `items` loans are asked about by 17."""
    if not line.tls:
        yield tr(
            "CLEAR TEXT: student numbers, titles and the password are sent unencrypted. Have the library put TLS "
            "(stunnel) in front of its service and write tls = true; else keep the connection in a closed network."
        )
    reported = status.one("AO")
    if institution and reported and reported != institution:
        yield tr(
            'It reports the institution (AO) "{reported}", not "{institution}": correct institution.',
            reported=reported,
            institution=institution,
        )
    supported = status.one("BX") or ""
    if items and supported[_ITEM : _ITEM + 1].upper() == "N":
        yield tr("It does not answer about items (17), so loans have no due date: write titles = false.")
    if not line.checksums:
        yield tr("Without checksums a damaged line can be missed: remove checksums = false where possible.")


def service_summary(status: Message) -> str:
    """Return the version, the institution and the messages that the service reports."""
    supported = status.one("BX") or ""
    named = [name for name, flag in zip(_MESSAGES, supported, strict=False) if flag.upper() == "Y"]
    return tr(
        "SIP {version}, institution {institution}, supports {messages}",
        version=status.fixed[30:34],
        institution=status.one("AO") or tr("not named"),
        messages=tr(", ").join(named) if named else tr("unknown messages (no BX)"),
    )


def pull_summary(line: Sip2Line, lists: str, pace: PerStudent, numbers: int, *, items: bool) -> str:
    """Return what a pull asks the service; `lists` is the question whose list is read, or empty."""
    asks = [tr("login (93)")] if line.user else []
    asks.append(tr("status (99)"))
    if lists == "loans":
        about = tr("patron information (63) for each of {number} numbers with the list of loans (AU)", number=numbers)
    elif lists == "fines":
        about = tr("patron information (63) for each of {number} numbers with the list of fines (AV)", number=numbers)
    else:
        about = tr("patron information (63) for each of {number} numbers", number=numbers)
    asks.append(about)
    asks += [tr("item information (17) for each loan")] if items else []
    return tr(
        "a sync asks: {asks}; {at_once} at once, {per_second:g} numbers a second",
        asks=tr(", ").join(asks),
        at_once=pace.at_once,
        per_second=pace.per_second,
    )
