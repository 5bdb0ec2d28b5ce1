"""The bill of materials: `python -m supply.sbom` writes one CycloneDX file for each lock.

It lists packages and vendored files with their hashes and licences, and no package index.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from supply.licences import licence
from supply.locks import LOCKS, ROOT
from supply.vendored import vendored

FOLDER = ROOT / "dist"


def made(lock: str) -> dict[str, Any]:
    """Return the bill of materials of a lock."""
    result = subprocess.run(  # noqa: S603 - our own interpreter and our own file
        [
            sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(LOCKS[lock]), "--pyproject",
            str(ROOT / "pyproject.toml"), "--output-reproducible", "--of", "JSON", "-o", "-",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    bill: dict[str, Any] = json.loads(result.stdout)
    bill["metadata"].pop("tools", None)
    bill["metadata"]["component"].pop("externalReferences", None)
    bill["components"] = [*map(_package, bill["components"]), *_files()]
    return bill


def _package(component: dict[str, Any]) -> dict[str, Any]:
    """Return a package without the address of an index and without its line of the lock."""
    component.pop("description", None)
    for reference in component.get("externalReferences", []):
        reference["url"] = component["purl"]
    return component | _licensed(licence(component["name"]))


def _licensed(expression: str) -> dict[str, Any]:
    if not expression:
        return {}
    # "BSD" and "LGPL" without a number are names, not SPDX expressions.
    named = any(part in ("BSD", "LGPL", "LGPL-3.0") for part in expression.split())
    return {"licenses": [{"license": {"name": expression}} if named else {"expression": expression}]}


def _files() -> list[dict[str, Any]]:
    return [
        {
            "type": "file",
            "bom-ref": path.relative_to(ROOT).as_posix(),
            "name": path.relative_to(ROOT).as_posix(),
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        for path, digest in sorted(vendored().items())
    ]


def write(folder: Path = FOLDER) -> list[Path]:
    """Write one file for each lock; return them."""
    folder.mkdir(exist_ok=True)
    files = []
    for lock in LOCKS:
        files.append(folder / f"clearance-sync-{lock}.cdx.json")
        files[-1].write_text(json.dumps(made(lock), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return files


if __name__ == "__main__":
    for file in write():
        sys.stdout.write(f"{file}\n")
