"""Known vulnerabilities of the locked packages: `python -m supply.audit` runs pip-audit with a time limit.

The exit status is 1 if there is one. If the data is not available, this is reported and is not a failure.
"""

import json
import subprocess
import sys
from typing import Any

from supply.locks import LOCKS

#: Seconds for all requests together, and for one.
LONGEST = 120
_EACH = 10


def asked() -> tuple[dict[str, Any] | None, str]:
    """Return pip-audit's report, or None and the reason."""
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
        # The last line of a failed request may contain its address.
        return None, f"pip-audit failed: {lines[-1].split(':')[0] if lines else 'no reason given'}"


def report(found: dict[str, Any] | None, why: str) -> tuple[list[str], int]:
    """Return the lines to print, and the exit code."""
    if found is None:
        return [f"Not audited: {why}. Run `make audit` where the vulnerability data can be reached."], 0
    packages = found["dependencies"]
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
