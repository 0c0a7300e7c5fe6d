"""Microsoft's Partner Center and login host, imitated on this machine for tests and demonstrations."""

from gateway.simulator.app import Simulator, make_app
from gateway.simulator.messages import ConnectionCutError

__all__ = ["ConnectionCutError", "Simulator", "make_app"]
