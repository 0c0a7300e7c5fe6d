"""A pool without processes: workers that do what a test says, and a clock that stands still."""

from collections.abc import Callable

from gateway.pool.backoff import RestartPolicy
from gateway.pool.events import EventLog
from gateway.pool.last_good import LastGoodSettings
from gateway.pool.pool import ApplicationPool
from gateway.pool.reasons import Reason
from gateway.pool.rotation import Request
from gateway.pool.surroundings import Surroundings
from gateway.pool.timers import Timers
from gateway.pool.workers import Worker
from gateway.settings import GatewaySettings, parse_settings


def settings(folder, limit=10, recycling="", failure="", process_model="", periodic="", pool=""):
    text = f"""<configuration>
      <appSettings><add key="MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES" value="{limit}" /></appSettings>
      <applicationPool name="Unit" {pool}>
        <processModel startupTimeLimit="00:01:00" shutdownTimeLimit="00:00:30" {process_model} />
        <recycling {recycling}>{periodic}</recycling>
        <failure {failure} />
      </applicationPool>
    </configuration>"""
    return parse_settings(text.encode(), folder / "Settings.config")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class FakeWorker(Worker):
    def __init__(self, serial, worker_settings):
        super().__init__(serial, worker_settings)
        self.commands = []
        self.arguments = {}
        """Those of each command, of the last one of its kind."""
        self.probed = False
        self.killed = False

    @property
    def pid(self):
        return 100 + self.serial

    def send(self, command, **arguments):
        self.commands.append(command)
        self.arguments[command] = arguments

    def probe(self, port):
        self.probed = True

    def kill(self):
        self.killed = True


class Answerer:
    def __init__(self):
        self.is_open = False

    def open(self):
        self.is_open = True

    def close(self):
        self.is_open = False


class Bell:
    def __init__(self):
        self.is_armed = False

    def arm(self):
        self.is_armed = True

    def disarm(self):
        self.is_armed = False


class Pool:
    """The state machine with its surroundings, and what workers and people do to it."""

    def __init__(self, folder, first):
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.answerer = Answerer()
        self.bell = Bell()
        self.events = EventLog(folder / "events.jsonl")
        self.file: GatewaySettings | None = first
        self.spawned: list[FakeWorker] = []
        self.cannot_spawn = False
        self.told: list[str | None] = []
        self.is_spare_warm = True
        self.spare_is_warm: Callable[[], None] = lambda: None
        """Call it when `is_spare_warm` was false before."""
        around = Surroundings(
            spawn=self._spawn,
            prepare_spare=self._prepare_spare,
            clock=self.clock,
            timers=self.timers,
            events=self.events,
            unavailable=self.answerer,
            bell=self.bell,
            last_good=LastGoodSettings(folder / "last-good.json"),
            policy=RestartPolicy(random=lambda: 0.5),
            settings_of_file=lambda: self.file,
        )
        self.machine = ApplicationPool(around, first)

    def _prepare_spare(self, then):
        if self.is_spare_warm:
            then()
        else:
            self.spare_is_warm = then

    def _spawn(self, worker_settings, number):
        if self.cannot_spawn:
            raise OSError("no more processes")
        worker = FakeWorker(len(self.spawned) + 1, worker_settings)
        worker.number = number
        self.spawned.append(worker)
        return worker

    def event_ids(self):
        return [event["id"] for event in self.events.recent(100)]

    def state(self):
        return self.machine.state.value

    @property
    def newest(self):
        return self.spawned[-1]

    def start(self, worker_settings):
        self.machine.start(worker_settings, self.told.append)

    def recycle(self, worker_settings, by_file=False):
        self.machine.recycle(Request(Reason.ON_DEMAND, worker_settings, by_file, [self.told.append]))

    def report(self, worker, what, **details):
        self.machine.on_report(worker.serial, {"report": what, **details})

    def make_ready(self, worker):
        self.report(worker, "ready", port=1)
        self.machine.on_probe(worker.serial, None)

    def make_serve(self, worker):
        """Let a candidate go all the way; an old worker hands over at once."""
        self.make_ready(worker)
        for old in list(self.machine.serving.values()):
            self.report(old, "handed_over", complete=True)
        self.report(worker, "serving")

    def exit(self, worker, code=0):
        self.machine.on_exit(worker.serial, code)

    def pass_time(self, seconds):
        self.clock.now += seconds
        self.timers.run_due()
