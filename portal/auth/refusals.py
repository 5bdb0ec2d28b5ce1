"""Why a person that a provider sends back cannot sign in."""

from enum import StrEnum

from foundation.refusals import Refused


class SignInCode(StrEnum):
    """The reason, which selects the page."""

    #: The provider knows the person, but there is no account or student of that name here.
    UNKNOWN = "unknown"
    #: A staff account at the students' pages.
    STAFF = "staff"
    #: A student at the desk.
    STUDENT = "student"
    #: The account is deactivated.
    INACTIVE = "inactive"
    #: The sign-in began too long ago, in another browser, or not here at all.
    LATE = "late"
    #: The provider refused, or its answer cannot be trusted.
    REFUSED = "refused"
    #: The provider did not respond.
    UNAVAILABLE = "unavailable"


class SignInRefused(Refused[SignInCode]):
    """The sign-in is refused. The text is for the log; the page shows only what the code means."""

    def __init__(self, method: str, code: SignInCode, text: str, name: str = "") -> None:
        super().__init__(code, text)
        self.method = method
        #: The person's name at the provider, if it sent one.
        self.name = name


def printable(text: str, most: int) -> str:
    """Return a provider's text for use in a message: on one line, and at most `most` characters long."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= most else f"{shown[:most]}…"
