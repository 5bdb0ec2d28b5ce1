"""A server that answers everything alike, and one whose answer a test changes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What a server answers to everything, and where."""

    body: bytes
    address: str = ""


@contextmanager
def answering(body: bytes, kind: str = "text/html", status: int = 200) -> Iterator[str]:
    """Serve one answer to everything; give its address."""
    with answering_anew(kind, status) as answer:
        answer.body = body
        yield answer.address


@contextmanager
def answering_anew(kind: str, status: int = 200) -> Iterator[Answer]:
    """Serve what this holds at the moment, to everything."""
    answer = Answer(b"")

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _answer  # noqa: N815 - http.server names them so

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answer.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield answer
        finally:
            server.shutdown()
            thread.join()
