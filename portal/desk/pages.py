"""Every page of the desk."""

from portal.desk import queue

ROUTES = (*queue.ROUTES,)
