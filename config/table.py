"""What every table of the settings file is: frozen, and strict about its keys."""

from pydantic import ConfigDict

TABLE = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)
