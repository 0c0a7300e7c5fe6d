"""What the supervisor runs as `python -m gateway.pool.worker_process`: a worker that is in a hurry.

No garbage is looked for until all is loaded: `loading.without_collection` takes that up again.
"""

import gc

if __name__ == "__main__":
    gc.disable()

    from gateway.pool.worker import main

    main()
