"""What the supervisor runs as `python -m gateway.pool.worker_process [--at-leisure]`: a worker.

One that is not needed yet leaves the processor to others while it loads. No garbage is looked for until all
is loaded: `loading.without_collection` takes that up again.
"""

import gc
import importlib
import sys

if __name__ == "__main__":
    gc.disable()

    from gateway.pool.loading import AT_LEISURE, at_leisure

    if AT_LEISURE in sys.argv:
        at_leisure(lambda: importlib.import_module("gateway.pool.worker"))

    from gateway.pool.worker import main

    main()
