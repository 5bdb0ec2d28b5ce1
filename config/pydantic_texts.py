"""pydantic's own texts about a wrong value in the settings, in the language of the process."""

from collections.abc import Mapping
from typing import Any

from foundation.translation import N_, tr

_DATE = N_("input should be a valid date in the format YYYY-MM-DD")
_DATETIME = N_("input should be a valid datetime")
_DICTIONARY = N_("input should be a valid dictionary")
_INTEGER = N_("input should be a valid integer")
_NUMBER = N_("input should be a valid number")
_TEXT = N_("input should be a valid string")
_TIME = N_("input should be in a valid time format")
_TRUE_OR_FALSE = N_("input should be a valid boolean")
_ONE_OF = N_("input should be {expected}")

#: pydantic's type of an error → its text, with those of its values that a translation shows.
TEXTS: Mapping[str, str] = {
    "bool_parsing": _TRUE_OR_FALSE,
    "bool_type": _TRUE_OR_FALSE,
    "date_from_datetime_inexact": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_parsing": _DATE,
    "date_type": _DATE,
    "datetime_from_date_parsing": _DATETIME,
    "datetime_object_invalid": _DATETIME,
    "datetime_parsing": _DATETIME,
    "datetime_type": _DATETIME,
    "decimal_max_digits": N_("decimal input should have no more than {max_digits} digits in total"),
    "decimal_max_places": N_("decimal input should have no more than {decimal_places} decimal places"),
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "dict_type": _DICTIONARY,
    "enum": _ONE_OF,
    "finite_number": N_("input should be a finite number"),
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "frozen_set_type": N_("input should be a valid list"),
    "greater_than": N_("input should be greater than {gt}"),
    "greater_than_equal": N_("input should be greater than or equal to {ge}"),
    "int_from_float": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_type": _INTEGER,
    "less_than": N_("input should be less than {lt}"),
    "less_than_equal": N_("input should be less than or equal to {le}"),
    "list_type": N_("input should be a valid list"),
    "literal_error": _ONE_OF,
    "model_attributes_type": _DICTIONARY,
    "model_type": _DICTIONARY,
    "set_type": N_("input should be a valid list"),
    "string_pattern_mismatch": N_("string should match pattern '{pattern}'"),
    "string_too_long": N_("string should have at most {max_length} characters"),
    "string_too_short": N_("string should have at least {min_length} characters"),
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "time_delta_parsing": N_("input should be a valid duration"),
    "time_delta_type": N_("input should be a valid duration"),
    "time_parsing": _TIME,
    "time_type": _TIME,
    "too_long": N_("at most {max_length} items are allowed, not {actual_length}"),
    "too_short": N_("at least {min_length} items are needed, not {actual_length}"),
    "tuple_type": N_("input should be a valid list"),
}


def pydantic_text(error: Any) -> str:  # noqa: ANN401 - pydantic's own dict
    """Return why pydantic refuses a value: its own text in English, which has details; else the translation."""
    text = TEXTS.get(error["type"], "")
    if text and tr(text) != text:
        values = dict(error.get("ctx", {}))
        if "expected" in values:
            # Such as: 'zh' or 'en'
            values["expected"] = str(values["expected"]).replace(" or ", tr(" or "))
        return tr(text, **values)
    message = str(error["msg"])
    return f"{message[0].lower()}{message[1:]}"
