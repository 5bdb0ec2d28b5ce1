"""The types of form fields. A text that is too long is kept and reported; a value that no page offers becomes None."""

from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from portal.web import bounds

#: The code of a text that is too long.
TOO_LONG = "too_long"


class Form(BaseModel):
    """A form, as a page reads it. A form without fields only shows that it was sent."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", validate_by_name=True, loc_by_alias=False, hide_input_in_errors=True
    )

    #: No form is longer, in bytes, and none has more fields.
    longest: ClassVar[int] = 8 * 1024
    most: ClassVar[int] = 20

    _too_long: frozenset[str] = PrivateAttr(frozenset())

    @property
    def too_long(self) -> frozenset[str]:
        """The fields whose text is longer than `at_most` allows. The text itself is complete, to be shown again."""
        return self._too_long

    def keep_long(self, names: frozenset[str]) -> None:
        """Store which texts are too long. Called once, when the form is read."""
        self._too_long = names


def _with_unix_ends(text: str) -> str:
    return text.replace("\r\n", "\n")


def _is_ticked(value: object) -> object:
    return value == "1" if isinstance(value, str) else value


def _as_number(value: object) -> object:
    return bounds.number(value) if isinstance(value, str) else value


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return None


def at_most(length: int) -> AfterValidator:
    """Return a validator that limits a cleaned text to this many characters; see `Form.too_long`."""

    def check(text: str) -> str:
        if len(text) > length:
            raise PydanticCustomError(TOO_LONG, "longer than {length} letters", {"length": length, "text": text})
        return text

    return AfterValidator(check)


#: A text as it was typed, with `\n` line endings.
Words = Annotated[str, BeforeValidator(_with_unix_ends)]
#: The same, without blanks around it.
Text = Annotated[str, BeforeValidator(lambda text: _with_unix_ends(text).strip())]
#: One line, without blanks around it.
Line = Annotated[str, BeforeValidator(str.strip)]
#: A password or a code: the form's `repr` leaves it out.
Hidden = Annotated[str, Field(repr=False)]
#: A checkbox, or the button that sent the form; both send 1.
Ticked = Annotated[bool, BeforeValidator(_is_ticked)]
#: A whole number; None for anything else.
Number = Annotated[int | None, BeforeValidator(_as_number)]
#: Beside a type: `Annotated[VoteKind | None, OrNone]` is None for a value that is not a `VoteKind`.
OrNone = WrapValidator(_or_none)
