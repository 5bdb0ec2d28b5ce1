"""A helper of the pages: `python -m clearance.apart pages NUMBER` answers long queries through a pipe.

Only the web server's processes start and end it.
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
