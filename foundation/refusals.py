"""The one root of what a person reads when something is refused or could not be done."""

from enum import StrEnum
from typing import Generic, TypeVar

Code = TypeVar("Code", bound=StrEnum)


class Refused(Exception, Generic[Code]):  # noqa: N818 - named by the reaction
    """Something was refused or could not be done. The text is English, for a terminal, and ends with the fix.

    `code` is the reason in one word: a page looks its own sentence up by it. Each family has its own codes.
    """

    code: Code

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
