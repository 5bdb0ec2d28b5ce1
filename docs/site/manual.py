"""What the site adds to the documents: the navigation, and links from one language to the other."""

from pathlib import PurePosixPath
from typing import Any

from docutils import nodes
from navigation import documents, parts
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri


def _language(app: Sphinx) -> str:
    return str(app.config.language).partition("_")[0]


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Append the navigation to the start document."""
    if name != app.config.root_doc:
        return
    for title, part in parts(_language(app)):
        lines = ("self" if f"{name}.md" == document else f"/{document}" for document in part)
        tree = "\n".join(("```{toctree}", ":hidden:", f":caption: {title}", "", *lines, "```"))
        source[0] += f"\n\n{tree}\n"


def _other(language: str) -> str:
    return "en" if language == "zh" else "zh"


def _page(language: str, document: str) -> str:
    return f"{language}/{PurePosixPath(document).with_suffix('.html')}"


def _link_languages(app: Sphinx, tree: nodes.document) -> None:
    """Turn a link to a document of the other language into one to its page."""
    language, here = _language(app), app.env.docname
    others = set(documents(_other(language)))
    for node in list(tree.findall(pending_xref)):
        document = f"{node['reftarget']}.md"
        if node.get("refdomain") == "doc" and document in others:
            uri = relative_uri(_page(language, here), _page(_other(language), document))
            anchor = f"#{node['reftargetid']}" if node.get("reftargetid") else ""
            node.replace_self(nodes.reference("", "", *node.children, refuri=uri + anchor, internal=True))


def _counterpart(document: str, language: str) -> str:
    """Return the same document in the other language, or the start where there is none."""
    if language == "zh":
        other = "README.md" if document == "README.zh.md" else document.replace("docs/zh/", "docs/", 1)
    else:
        other = "README.zh.md" if document == "README.md" else document.replace("docs/", "docs/zh/", 1)
    there = documents(_other(language))
    return other if other in there else there[0]


def _offer_language(
    app: Sphinx, name: str, _template: str, context: dict[str, Any], _tree: nodes.document | None
) -> None:
    language = _language(app)
    context["counterpart_language"] = _other(language)
    there = _page(_other(language), _counterpart(f"{name}.md", language))
    context["counterpart"] = relative_uri(_page(language, name), there)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all of it."""
    app.connect("source-read", _add_navigation)
    app.connect("doctree-read", _link_languages)
    app.connect("html-page-context", _offer_language)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
