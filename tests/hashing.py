"""Cheap password hashes for tests: a hash at its full cost takes a tenth of a second on four cores.

Importing this has this process make cheap ones. What the program itself takes is `SHIPPED`, and its hash for
accounts that do not exist `SHIPPED_NOBODY`.
"""

from argon2 import PasswordHasher

from portal.auth import passwords

SHIPPED = passwords._HASHER
SHIPPED_NOBODY = passwords._NOBODY

_CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)

passwords._HASHER = _CHEAP
# An account that does not exist costs as much as one that does.
passwords._NOBODY = _CHEAP.hash("nobody's")
