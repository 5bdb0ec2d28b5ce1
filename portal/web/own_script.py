"""The only script of the pages: browsers offer passkeys only to scripts. Its hash allows it, on one page only."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

#: The page that it runs on.
PAGE = "/second-factor"

TEXT = (Path(__file__).parents[1] / "static" / "passkeys.js").read_text(encoding="utf-8")

#: Its source in the page's policy.
SOURCE = f"'sha256-{b64encode(sha256(TEXT.encode()).digest()).decode()}'"
