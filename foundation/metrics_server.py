"""A small server for monitoring, on a port of its own: /metrics, /livez and /readyz."""

import threading
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from foundation.refusals import Refused
from foundation.translation import tr

#: A client that sends nothing is disconnected after this many seconds.
_TIMEOUT = 10


class MetricsCode(StrEnum):
    """Why there are no metrics."""

    #: The program cannot listen on the port, for example because another program does.
    PORT = "port"


class MetricsUnusable(Refused[MetricsCode]):
    """The port of the metrics cannot be used; the text ends with the fix."""


def _yes() -> bool:
    return True


class MetricsServer:
    """Serves a registry until it is closed."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: Callable[[], CollectorRegistry],
        *,
        alive: Callable[[], bool] = _yes,
        ready: Callable[[], bool] = _yes,
        detail: Callable[[], str] = str,
    ) -> None:
        """Listen. `registry` is called for each reading, and /readyz ends with `detail`.

        Raises MetricsUnusable when the port cannot be used.
        """
        answers = {"/livez": alive, "/readyz": ready}

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT
            server_version, sys_version = "clearance", ""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, generate_latest(registry()), CONTENT_TYPE_LATEST)
                elif path in answers:
                    good = answers[path]()
                    text = ("ok\n" if good else "no\n") + (detail() if path == "/readyz" else "")
                    self._answer(200 if good else 503, text.encode(), "text/plain; charset=utf-8")
                else:
                    self._answer(404, b"", "text/plain; charset=utf-8")

            def _answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_values: Any) -> None:  # noqa: ANN401 - the library's own
                """Log nothing: a reading every 15 seconds needs no line."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_values: Any) -> None:  # noqa: ANN401 - the library's own
                """Log nothing: a client may disconnect."""

        try:
            self._server = Server((host, port), Handler)
        except OSError as error:
            text = tr(
                "the metrics cannot be served on {host}, port {port}: {reason}. Choose another port in [metrics].",
                host=host,
                port=port,
                reason=error.strerror or error,
            )
            raise MetricsUnusable(MetricsCode.PORT, text) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
