"""For which institution a process acts at the moment, where it acts for several: in logs, metrics and links."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context

_institution: ContextVar[str] = ContextVar("institution", default="")


def institution() -> str:
    """Return the key of the institution; empty where there is only one."""
    return _institution.get()


@contextmanager
def acting_for(key: str) -> Iterator[None]:
    """Act for an institution until this ends, in this thread or task."""
    before = _institution.set(key)
    try:
        yield
    finally:
        _institution.reset(before)


def same_context() -> Callable[[], None]:
    """Return what gives another thread the context of this one: a thread begins with an empty one."""
    context = copy_context()

    def enter() -> None:
        for variable, value in context.items():
            variable.set(value)

    return enter
