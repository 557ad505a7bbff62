"""netprobe: who refused this connection, where, and on what evidence."""

import os

# numpy's linear algebra library starts a thread per core when it is loaded; netprobe never uses it, and starting up
# costs half as much without.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
