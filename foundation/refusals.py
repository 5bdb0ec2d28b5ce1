"""The root class of refusals whose text a person reads."""

from enum import StrEnum
from typing import Generic, TypeVar

Code = TypeVar("Code", bound=StrEnum)


class Refused(Exception, Generic[Code]):  # noqa: N818 - named by the reaction
    """An action was refused or failed. The text is in the language of the process, and ends with the fix.

    `code` is the reason in one word. Pages have a sentence of their own for each. Every subclass has its own codes.
    """

    code: Code

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
