"""Which sentences the pages say: read out of the code and the templates, so that no language lacks one."""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_dir

import portal

HERE = Path(portal.__file__).parent

#: A sentence about a number is one for every number in Chinese; other languages tell them apart.
_KEYWORDS = {"gettext": None, "_": None, "N_": None, "ngettext": (1, 1)}


def sentences() -> Iterator[tuple[str, bool]]:
    """Give each sentence, and whether it is about a number."""
    methods = [("templates/**.html", "jinja2"), ("**.py", "python")]
    options = {"templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "silent": "false"}}
    for _, _, message, _, _ in extract_from_dir(str(HERE), methods, options, keywords=_KEYWORDS):
        yield (message[0], True) if isinstance(message, tuple) else (message, False)
