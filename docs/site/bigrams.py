"""Search in Chinese: each two neighbouring characters are a word, in the index and in what is typed.

Sphinx's own Chinese search cuts the documents into words of a dictionary, but not what is typed. So it finds 数据源
only where its dictionary has it as one word.
"""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.search import SearchLanguage

_RUN = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")


class ChineseSearch(SearchLanguage):
    """Finds a run of Chinese characters at any position."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff]+|[^\P{L}\u3400-\u9fff]+|[\p{N}_]+/gu) || []).flatMap((run) =>
    /[\u3400-\u9fff]/.test(run) && run.length > 1
      ? Array.from({ length: run.length - 1 }, (_, at) => run.slice(at, at + 2))
      : [run]);
"""

    def split(self, input: str) -> list[str]:  # noqa: A002 - the name is Sphinx's
        """Return the words of a text."""
        words: list[str] = []
        for run in _RUN.findall(input):
            if "\u3400" <= run[0] <= "\u9fff" and len(run) > 1:
                words += (run[at : at + 2] for at in range(len(run) - 1))
            else:
                words.append(run.lower())
        return words


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_search_language(ChineseSearch)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
