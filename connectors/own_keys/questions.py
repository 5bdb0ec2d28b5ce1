"""What ready-made connectors share that know several questions: each of these has a mapping of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from config.tables.base import Table


class KnownQuestions(Table):
    """Keys of a connector whose key `asks` says which of its questions is asked."""

    #: Question → our field → the column or path it comes from.
    mappings: ClassVar[Mapping[str, Mapping[str, str]]]

    @classmethod
    def default_columns(cls, own: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the mapping for what is asked, so that a settings file need not spell it out."""
        return cls.mappings.get(str(own.get("asks")), {})
