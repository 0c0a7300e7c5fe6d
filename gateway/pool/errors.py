"""What can go wrong in the supervisor, by what the person who started it can do about it."""

from __future__ import annotations

from gateway.errors import GatewayError


class PoolError(GatewayError):
    """The pool cannot do what was asked."""

    code = "pool_error"


class PoolNotRunningError(PoolError):
    """Nobody answers on the control channel of this data folder."""

    code = "pool_not_running"


class PoolRunningError(PoolError):
    """Another pool keeps this data folder."""

    code = "pool_running"


class PoolRefusedError(PoolError):
    """What the pool was to be started with is not valid."""

    code = "pool_refused"


class FileChangedError(PoolError):
    """Settings.config is not any more what the change was meant for."""

    code = "settings_file_changed"


class AddressError(PoolRefusedError):
    """The listening address is not one."""

    code = "bad_address"


class AddressTakenError(PoolError):
    """The listening address is taken, or not of this machine."""

    code = "address_taken"
