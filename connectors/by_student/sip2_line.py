"""Where a library's SIP2 service is, and its protocol options."""

import codecs
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.tables.base import Span, Table
from config.tables.secrets import FilePath, Secret, Text
from foundation.translation import tr


def _check_encoding(name: str) -> str:
    try:
        plain = "AZ|".encode(name) == b"AZ|" and bool(codecs.lookup(name))
    except (LookupError, UnicodeError):
        plain = False
    if not plain:
        raise ValueError(tr('"{name}" is not an encoding for SIP2: write one such as "utf-8" or "gb18030"', name=name))
    return name


def can_be_sent(text: str, encoding: str) -> bool:
    """Return whether a text can be a field: not empty, no `|`, no control character, and in this encoding."""
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return bool(text.strip()) and "|" not in text and all(letter.isprintable() for letter in text)


class Sip2Line(Table):
    """Where a library's SIP2 service is, its protocol options, and the time limits."""

    host: Annotated[Text, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 6001
    #: Without it everything is sent in clear text: numbers, titles and the password.
    tls: bool = False
    #: The authority that has signed the service's certificate; left out, those that this machine knows.
    authority: FilePath | None = None
    #: The account (CN) and its password (CO), where the service requires a login.
    user: Text = ""
    password: Secret | None = None
    #: The location code of the login (CP).
    location: Secret | None = None
    #: The password of the terminal (AC), where the service requires one with each question.
    terminal_password: Secret | None = None
    #: Sequence numbers and checksums.
    checksums: bool = True
    terminator: Literal["cr", "crlf"] = "cr"
    encoding: Annotated[str, AfterValidator(_check_encoding)] = "utf-8"
    #: How many times a question is sent again over the same connection, after a damaged answer or a 96.
    resends: Annotated[int, Field(ge=0, le=10)] = 3
    connect_timeout: Span = timedelta(seconds=10)
    #: For each answer.
    timeout: Span = timedelta(seconds=30)

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if (self.password or self.location) and not self.user:
            raise ValueError(tr("password and location are part of a login: set user, too"))
        if self.user and not can_be_sent(self.user, self.encoding):
            raise ValueError(
                tr("user contains a | or a control character, which SIP2 cannot send: have the library choose another")
            )
        return self
