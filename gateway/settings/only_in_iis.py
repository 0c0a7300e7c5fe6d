"""What an application pool of IIS has and this one does not, with what serves the purpose here."""

from __future__ import annotations

_SERVICE = "limit the service of the pool instead, as with CPUQuota= of systemd"
_USER = "workers run as the user of the pool"
_NET = "it is about .NET"
_EVENTS = "the event log has everything"
_ORPHAN = "a worker that failed is ended, for its upgrades to go on elsewhere; event 5009 or 5010 tells of it"
_SHUTDOWN = "watch for event 5002 instead"

ONLY_IN_IIS: dict[str, dict[str, str]] = {
    "applicationPool": {
        "cpu": _SERVICE,
        "environmentVariables": "set them for the service of the pool; workers inherit them",
        "CLRConfigFile": _NET,
        "enable32BitAppOnWin64": _NET,
        "enableConfigurationOverride": "there is one file",
        "managedPipelineMode": _NET,
        "managedRuntimeLoader": _NET,
        "managedRuntimeVersion": _NET,
        "passAnonymousToken": _USER,
    },
    "processModel": {
        "identityType": _USER,
        "idleTimeoutAction": "an idle worker is ended",
        "loadUserProfile": _USER,
        "logEventOnProcessModel": _EVENTS,
        "logonType": _USER,
        "manualGroupMembership": _USER,
        "password": _USER,
        "requestQueueDelegatorIdentity": _USER,
        "setProfileEnvironment": _USER,
        "userName": _USER,
    },
    "recycling": {"logEventOnRecycle": _EVENTS},
    "periodicRestart": {"memory": "virtual memory says little of what a worker uses; set privateMemory"},
    "failure": {
        "autoShutdownExe": _SHUTDOWN,
        "autoShutdownParams": _SHUTDOWN,
        "orphanActionExe": _ORPHAN,
        "orphanActionParams": _ORPHAN,
        "orphanWorkerProcess": _ORPHAN,
    },
}
"""By element: its attributes and elements."""


def instead_of(element: str, name: str) -> str | None:
    """Why this pool does not have what IIS has; None for what neither has."""
    return ONLY_IN_IIS.get(element, {}).get(name)
