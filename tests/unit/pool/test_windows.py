"""What there is not on Windows is not needed to load the application pool, and nothing forks.

It cannot be run there by these tests. But with the platform's name, without modules and names that only POSIX
has, every module must load.
"""

import ast
import subprocess
import sys

from tests.unit.test_imports import ROOT, imported_modules

IMPORTS = """\
import importlib, os, pkgutil, signal, socket, sys, types
import gateway.pool, gateway.settings

MODULES = [
    module.name
    for package in (gateway.pool, gateway.settings)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]
# What others wrote is loaded as it is here: it is not what is tested.
for name in MODULES:
    importlib.import_module(name)
for name in [name for name in sys.modules if name == "gateway" or name.startswith("gateway.")]:
    del sys.modules[name]

for name in sys.argv[1:]:
    sys.modules[name] = None  # To import it is an ImportError then.
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
ABSENT = {
    os: ("fork", "forkpty", "killpg", "setsid", "getuid", "geteuid", "getgid", "sched_setscheduler",
         "sched_getscheduler", "sched_setaffinity", "SCHED_BATCH", "nice", "setpriority", "sysconf",
         "posix_spawn", "mkfifo"),
    signal: ("SIGHUP", "SIGKILL", "SIGSTOP", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM",
             "pthread_sigmask", "set_wakeup_fd"),
    socket: ("AF_UNIX", "SO_REUSEPORT", "SCM_RIGHTS"),
}
for module, names in ABSENT.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "win32"

for name in MODULES:
    importlib.import_module(name)
from gateway.pool.control import FAMILY
from gateway.pool.lock import LOCKED_BYTE
print(FAMILY)
"""

POSIX_ONLY = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")

FORKS = {"fork", "forkpty", "preexec_fn", "set_start_method", "get_context", "Process", "Pool"}
"""Names by which Python forks, or may; workers are started afresh on every platform."""


def test_every_module_of_the_pool_loads_without_what_only_posix_has():
    command = [sys.executable, "-c", IMPORTS, *POSIX_ONLY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)

    assert done.stderr == ""
    assert done.stdout == "AF_PIPE\n"


def test_only_the_lock_imports_what_only_posix_has():
    using = {
        path.name
        for path in (ROOT / "gateway").rglob("*.py")
        if {name.partition(".")[0] for name in imported_modules(path)} & set(POSIX_ONLY)
    }

    assert using == {"lock.py"}


def names_used(path):
    """What a file uses of modules that can fork, and the names of all keyword arguments."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="os" | "multiprocessing" | "pty"), attr=name):
                names.add(name)
            case ast.ImportFrom(module="os" | "multiprocessing" | "pty", names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.keyword(arg=str(name)):
                names.add(name)
    return names


def test_nothing_forks():
    forking = {path: names_used(path) & FORKS for path in (ROOT / "gateway").rglob("*.py")}

    assert len(forking) > 100
    assert {path.name: names for path, names in forking.items() if names} == {}
