"""Every page of the desk."""

from portal.desk import paper, paper_entry, queue

ROUTES = (*queue.ROUTES, *paper.ROUTES, *paper_entry.ROUTES)
