"""The licences of all locked packages, from their own metadata: `python -m supply.licences` writes docs/licences.md."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from supply.locks import ROOT, locked

PAGE = ROOT / "docs" / "licences.md"

#: Packages that are installed on some systems only, or have no licence in their metadata: checked manually.
BY_HAND = {
    "axe-playwright-python": "MIT",
    "colorama": "BSD-3-Clause",
    "httpcore2": "BSD-3-Clause",
    "httpx2": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "truststore": "MIT",
}

#: Classifiers and free texts → SPDX identifiers; "BSD" if the number of clauses is not given.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU LESSER GENERAL PUBLIC LICENSE": "LGPL",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}

#: Licences with which the program can be distributed under Apache-2.0. Packages under the LGPL and MPL are used
#: unchanged, as separate packages that can be replaced.
ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL", "LGPL-3.0", "LGPL-3.0-only", "MIT",
    "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "UPL-1.0",
})  # fmt: skip


def licence(package: str) -> str:
    """Return a package's licence as an SPDX expression; empty if it is unknown."""
    if package in BY_HAND:
        return BY_HAND[package]
    try:
        metadata = distribution(package).metadata.json
    except PackageNotFoundError:
        return ""
    if expression := metadata.get("license_expression"):
        return str(expression)
    listed = metadata.get("classifier", [])
    classified = [each.rpartition("::")[2].strip() for each in listed if each.startswith("License ::")]
    names = [c for c in classified if c != "OSI Approved"] or [str(metadata.get("license", "")).partition("\n")[0]]
    return " AND ".join(dict.fromkeys(_SPDX.get(each, each) for each in names))


def is_allowed(expression: str) -> bool:
    """Return whether a licence is allowed: of an OR one part must be, of an AND all."""
    return bool(expression) and any(
        all(part.strip("() ") in ALLOWED for part in choice.split(" AND ")) for choice in expression.split(" OR ")
    )


def _table_rows() -> Iterator[str]:
    runs = {name for name, _ in locked("run")}
    of_cluster = {name for name, _ in locked("cluster")}
    for name, _ in sorted(locked("dev")):
        used = "the program" if name in runs else "the extra `cluster`" if name in of_cluster else "tests and checks"
        yield f"| {name} | {licence(name)} | {used} |"


def licence_page() -> str:
    """Return the text of the page that lists the licences."""
    return "\n".join((
        "# Licences",
        "",
        "Clearance Sync itself is under the [Apache License 2.0](../LICENSE). The packages it needs are installed from",
        "the lock files, not handed on with it; files of others that lie in this repository are named, with licence",
        "and checksum, in `portal/fonts/README.md`.",
        "",
        "Written by `make licences` from the metadata of the locked packages. A test compares it and refuses a licence",
        "that is not on the list in `supply/licences.py`. Packages under the LGPL or MPL are used unchanged.",
        "",
        "| package | licence | used by |",
        "|---|---|---|",
        *_table_rows(),
        "",
    ))  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text(licence_page(), encoding="utf-8")
