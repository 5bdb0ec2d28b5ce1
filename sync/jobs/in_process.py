"""The queue of one process: whoever hands out a job carries it out at once, in the same thread."""

from sync.jobs.job import Carry, Job


class InProcess:
    """Carries out each job at once."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    def defer(self, job: Job) -> bool:
        """Carry out a job; return True."""
        self._carry(job, False)  # noqa: FBT003 - the port's own form
        return True
