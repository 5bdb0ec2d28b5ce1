"""Why somebody who comes from a provider is not let in."""

from enum import StrEnum

from foundation.refusals import Refused


class SignInCode(StrEnum):
    """Which page they see."""

    #: The provider knows them; nobody here does.
    UNKNOWN = "unknown"
    #: Staff, at the students' pages; or a student, at the desk.
    STAFF = "staff"
    STUDENT = "student"
    #: Their account has been shut.
    INACTIVE = "inactive"
    #: They left for the provider too long ago, in another browser, or not at all.
    LATE = "late"
    #: The provider said no, or something that cannot be trusted.
    REFUSED = "refused"
    #: The provider does not answer.
    UNAVAILABLE = "unavailable"


class SignInRefused(Refused[SignInCode]):
    """Nobody is let in. The text is for the log; the page says only what the code stands for."""

    def __init__(self, method: str, code: SignInCode, text: str, name: str = "") -> None:
        super().__init__(code, text)
        self.method = method
        #: Who they are to the provider, where it has said so.
        self.name = name


def printable(text: str, most: int) -> str:
    """Return what a provider sent as a message may show it: in one line, and not too long."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= most else f"{shown[:most]}…"
