"""A helper of the pages: `python -m clearance.apart pages NUMBER` answers long questions through a pipe.

The web server's processes start it, and end it; nobody else needs it.
"""

import sys

from clearance import web
from portal.web.apart import answer_all

_MADE = {"all": web.both, "pages": web.pages, "desk": web.desk}


def main() -> None:
    """Answer until the pipe is closed."""
    what, number = sys.argv[1:]
    answer_all(_MADE[what](apart=False), int(number))


if __name__ == "__main__":
    main()
