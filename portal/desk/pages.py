"""Every page of the desk."""

from portal.desk import certificates, classes, look_again, morning, paper, paper_entry, queue, record

ROUTES = (
    *queue.ROUTES,
    *record.ROUTES,
    *paper.ROUTES,
    *paper_entry.ROUTES,
    *classes.ROUTES,
    *morning.ROUTES,
    *certificates.ROUTES,
    *look_again.ROUTES,
)
