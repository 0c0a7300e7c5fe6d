"""The simulator by itself: `python -m gateway.simulator --port 8366 --catalog catalog.json`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from gateway.simulator.app import make_app
from gateway.simulator.configuration import Configuration
from gateway.simulator.server import ServerOptions, serve


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Answers that are held back keep threads busy on purpose; the queue's warnings would drown the rest.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    configuration = Configuration(latency=options.latency, response_delay=options.response_delay)
    simulator = make_app(options.catalog, state=options.state, configuration=configuration)
    try:
        serve(simulator, ServerOptions(options.host, options.port, options.threads, options.exit_with_stdin))
    finally:
        simulator.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.simulator", description="Partner Center simulator"
    )
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--catalog", type=Path, help="catalog file, or a folder of them; read again when it changes"
    )
    parser.add_argument("--state", type=Path, help="SQLite file that keeps everything over restarts")
    parser.add_argument(
        "--latency", type=_seconds, default=3.0, help="seconds an upgrade takes (default: %(default)s)"
    )
    parser.add_argument("--response-delay", type=_seconds, default=0.0, help="seconds added to every answer")
    parser.add_argument("--threads", type=int, default=64, help="threads that answer (default: %(default)s)")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin ends")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
