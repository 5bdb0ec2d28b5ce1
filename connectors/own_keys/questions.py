"""Keys of ready-made connectors that can ask several questions, each with its own mapping."""

from collections.abc import Mapping
from typing import Any, ClassVar

from config.tables.base import Table


class KnownQuestions(Table):
    """Keys of a connector with several questions; its key `asks` selects one."""

    #: Question → our field → the column or path it comes from.
    mappings: ClassVar[Mapping[str, Mapping[str, str]]]

    @classmethod
    def default_columns(cls, own: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the mapping of the selected question, so that a settings file can leave it out."""
        return cls.mappings.get(str(own.get("asks")), {})
