"""How Sphinx builds the site: `make site` runs it once for each language, for Chinese with `-t zh`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.util.tags import Tags

    tags: Tags

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from navigation import documents, start  # noqa: E402

CHINESE = "zh" in tags  # noqa: F821 - Sphinx defines it
TREE = "zh" if CHINESE else "en"
language = "zh_CN" if CHINESE else "en"
html_search_language = TREE
project = "Clearance Sync"
html_title = "Clearance Sync 文档" if CHINESE else project

extensions = ["myst_parser", "bigrams", "manual"]
root_doc = start(TREE).removesuffix(".md")
include_patterns = documents(TREE)
myst_heading_anchors = 4
smartquotes = False

html_theme = "pydata_sphinx_theme"
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "start.html"}
html_sidebars = {"**": ["parts.html"]}
html_show_sourcelink = False
html_copy_source = False
# A browser refuses to fetch the text of a result from disk.
html_show_search_summary = False
html_use_index = False
html_show_copyright = False
# A site that is read from disk must ask no other host for anything.
html_theme_options = {
    "navbar_start": ["navbar-logo"],
    "navbar_center": [],
    "navbar_end": ["language.html", "theme-switcher"],
    "navbar_persistent": ["search-button-field"],
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "search_bar_text": "搜索" if CHINESE else "Search",
    "logo": {"text": html_title},
    "show_prev_next": True,
    "back_to_top_button": False,
}
