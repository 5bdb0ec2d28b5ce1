"""A demo university of a test's own: its folder, its finance office on a port of its own, and the real command."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.offices import Offices
from tests.patience import PATIENCE
from tests.services import in_process

ROOT = Path(__file__).parent.parent.parent
COMMAND = Path(sys.executable).with_name("clearance")

#: Variables that would reach into a test from outside.
_OURS = ("CLEARANCE_", "DEMO_")


def free_port() -> int:
    """Return a port that no one listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class University:
    """A copy of the demo in a folder: `config/demo.toml` and `.demo` beside it."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "config" / "demo.toml"
        self.offices = Offices(folder / ".demo" / "offices", (environ or {}).get("DEMO_LIBRARY_URL", ""))
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)} | {
            "PYTHONUTF8": "1",
            "DEMO_FINANCE_ARREARS_URL": f"http://127.0.0.1:{self.port}/api/arrears",
            "DEMO_FINANCE_TOKEN_URL": f"http://127.0.0.1:{self.port}/api/token",
            **(environ or {}),
        }
        self._finance: subprocess.Popen[bytes] | None = None
        self._lay_settings()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close_finance()

    def open_finance(self) -> None:
        """Start the finance office's program."""
        data, port = str(self.offices.folder), str(self.port)
        arguments = [sys.executable, "-m", "demo.finance_api", "--data", data, "--port", port]
        self._finance = subprocess.Popen(arguments, cwd=ROOT)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/health", timeout=PATIENCE).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the finance office did not open")

    def put_back(self, built: Path) -> None:
        """Have nothing here but the demo as it was built, `built` being a copy of its .demo, and finance open."""
        shutil.rmtree(self.folder)
        self._lay_settings()
        shutil.copytree(built, self.folder / ".demo")
        if self._finance is None:
            self.open_finance()

    def _lay_settings(self) -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "config" / "demo.toml", self.config)

    def close_finance(self) -> None:
        """Stop it."""
        if self._finance is not None:
            self._finance.terminate()
            self._finance.wait(PATIENCE)
            self._finance = None

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start the command and return while it runs."""
        return subprocess.Popen(
            [COMMAND, "--config", self.config, *arguments],
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """Run the command in this process, expect its exit code, and return what it printed on both outputs."""
        ended = self._ended(arguments, code, environ)
        return ended.out + ended.err

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run the command in this process with --json, and return what it printed."""
        return json.loads(self._ended((*arguments, "--json"), code, {}).out)

    def run_apart(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """Do as `run` does in a process of its own."""
        process = self.start(*arguments, **environ)
        out, err = process.communicate()
        assert process.returncode == code, f"{arguments} ended with {process.returncode}\n{out}\n{err}"
        return out + err

    def _ended(self, arguments: Sequence[str], code: int, environ: Mapping[str, str]) -> in_process.Ended:
        ended = in_process.command(["--config", str(self.config), *arguments], {**self.environ, **environ})
        assert ended.code == code, f"{arguments} ended with {ended.code}\n{ended.out}\n{ended.err}"
        return ended
