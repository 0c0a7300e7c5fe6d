"""Command line of the application pool; see `python app_pool.py --help`."""

import sys

from gateway.pool.commands import main

if __name__ == "__main__":
    sys.exit(main())
