"""Files that are made to be sent once. They are deleted however the answer ends."""

from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send


class SentOnce(FileResponse):
    """Sends a file and deletes its folder, also when the visitor disconnects or asks for a range outside the file."""

    def __init__(self, folder: "TemporaryDirectory[str]", file: Path, filename: str) -> None:
        super().__init__(file, filename=filename)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then delete the folder."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Not in another thread: a visitor who disconnects cancels the wait for it.
            self._folder.cleanup()
