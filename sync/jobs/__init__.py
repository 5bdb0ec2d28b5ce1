"""Jobs: what is to be done, and the queue that hands it out, in this process or to several machines."""
