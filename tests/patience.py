"""How long tests wait for what must come. It is a test's last resort and no test's subject.

It is long enough for a machine that does fifteen other things; a test that asks how long something takes compares with
what would take far longer.
"""

#: In seconds.
PATIENCE = 300
