"""Known vulnerabilities of the locked packages: `python -m supply.audit` asks pip-audit, in bounded time.

Ends with 1 where one is known. Where the data cannot be had, that is reported, and fails nothing.
"""

import json
import subprocess
import sys
from typing import Any

from supply.locks import LOCKS

#: Seconds for all questions together, and for one.
LONGEST = 120
_EACH = 10


def asked() -> tuple[dict[str, Any] | None, str]:
    """Return what pip-audit says, or why it says nothing."""
    try:
        result = subprocess.run(  # noqa: S603 - our own interpreter and our own file
            [
                sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(LOCKS["run"]),
                "--timeout", str(_EACH), "--progress-spinner", "off", "-f", "json",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"no answer within {LONGEST} s"
    try:
        return json.loads(result.stdout), ""
    except ValueError:
        lines = result.stderr.strip().splitlines()
        # The last line of a failed question may name the address that was asked.
        return None, f"pip-audit failed: {lines[-1].split(':')[0] if lines else 'no reason given'}"


def report(said: dict[str, Any] | None, why: str) -> tuple[list[str], int]:
    """Return the lines to print, and the exit code."""
    if said is None:
        return [f"Not audited: {why}. Run `make audit` where the vulnerability data can be reached."], 0
    packages = said["dependencies"]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    known = [
        f"{each['name']} {each['version']}: {', '.join([flaw['id'], *flaw.get('aliases', [])])}; "
        f"fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for each in packages
        for flaw in each.get("vulns", [])
    ]
    if len(skipped) == len(packages):
        return report(None, "no data on any package")
    lines = [*known, f"{len(packages) - len(skipped)} packages audited, {len(known)} known vulnerabilities."]
    if skipped:
        lines.append(f"Not audited, no data at hand: {len(skipped)} packages.")
    return lines, 1 if known else 0


if __name__ == "__main__":
    printed, code = report(*asked())
    sys.stdout.write("\n".join(printed) + "\n")
    sys.exit(code)
