"""Imported last by the server that processes are forked from.

What is imported by then lives as long as the process: without this, each of them would look through all of
it for cycles, and so get a copy of its own of every page that it shares.
"""

import gc

gc.collect()
gc.freeze()
