"""What a person may ask of the running pool, and the true outcome as the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.logs import utc_text
from gateway.pool.intake import SettingsIntake
from gateway.pool.messages import ControlRequest, SettingsRead
from gateway.pool.pool import ApplicationPool
from gateway.pool.questions import Answers, Questions
from gateway.pool.reasons import Reason
from gateway.pool.rotation import Request, Waiter
from gateway.pool.start_permit import START_AGAIN, StartPermit
from gateway.pool.status import worker_rows
from gateway.settings import SettingsError, load_settings

Answer = Callable[[dict[str, Any]], None]


class Verbs:
    """Carries out control requests; an answer is `{"ok": true, …}` or `{"ok": false, "problem": …}`."""

    def __init__(
        self,
        pool: ApplicationPool,
        config: Path,
        intake: SettingsIntake,
        questions: Questions,
        status: Callable[[], dict[str, Any]],
        end: Callable[[Waiter | None], None],
        look_again: Callable[[], None],
        permit: StartPermit,
    ) -> None:
        """`end`: stops the pool and then the supervisor; `look_again`: has the file reported once more."""
        self._pool = pool
        self._config = config
        self._intake = intake
        self._questions = questions
        self._status = status
        self._end = end
        self._look_again = look_again
        self._permit = permit
        self._verbs: dict[str, Callable[[dict[str, Any], Answer], None]] = {
            "status": lambda _, answer: answer({"ok": True, "status": self._status()}),
            "recycle": self._recycle,
            "stop": self._stop,
            "start-pool": self._start_pool,
            START_AGAIN: self._start_again,
            "take-over": self._take_over,
            "list-workers": self._list_workers,
            "list-requests": self._list_requests,
        }

    def carry_out(self, request: ControlRequest) -> None:
        verb = self._verbs.get(request.command)
        if verb is None:
            known = ", ".join(self._verbs)
            request.answer(
                {"ok": False, "problem": f"{request.command!r} is no command, expected one of {known}"}
            )
            return
        verb(request.arguments, request.answer)

    def recycle(self, reason: Reason, waiter: Waiter | None) -> None:
        """Replace the worker by one with the values that the file has now."""
        try:
            settings = load_settings(self._config)
        except SettingsError as exc:
            if waiter is not None:
                waiter(f"the settings are not valid, so nothing was recycled\n{exc}")
            return
        self._pool.recycle(Request(reason, settings, waiters=[waiter] if waiter else []))
        self._look_again()

    def _recycle(self, arguments: dict[str, Any], answer: Answer) -> None:
        if arguments.get("wait"):
            self.recycle(Reason.ON_DEMAND, told(answer))
            return
        problems: list[str] = []
        self.recycle(Reason.ON_DEMAND, lambda problem: problems.append(problem) if problem else None)
        # What cannot even begin is known by now; how it ends is not waited for.
        told(answer)(problems[0] if problems else None)

    def _take_over(self, _: dict[str, Any], answer: Answer) -> None:
        """Take the file over now, as the watcher would a little later."""
        try:
            message = SettingsRead(load_settings(self._config), None)
        except SettingsError as exc:
            message = SettingsRead(None, str(exc))
        self._look_again()
        self._intake.take(message, told(answer, lambda: {"not_applied": self._intake.not_applied}))

    def _list_workers(self, _: dict[str, Any], answer: Answer) -> None:
        def tell(answers: Answers) -> None:
            rows = [
                row | _figures(answers.get(worker.serial))
                for worker, row in zip(self._pool.workers, worker_rows(self._pool), strict=True)
            ]
            answer({"ok": True, "workers": rows})

        self._questions.ask(tell)

    def _list_requests(self, _: dict[str, Any], answer: Answer) -> None:
        def tell(answers: Answers) -> None:
            pids = {worker.serial: worker.pid for worker in self._pool.workers}
            rows = [
                {"worker_pid": pids.get(serial), **request}
                for serial, said in answers.items()
                for request in said["requests"]
            ]
            answer({"ok": True, "requests": sorted(rows, key=lambda row: -row["seconds"])})

        self._questions.ask(tell)

    def _start_again(self, arguments: dict[str, Any], answer: Answer) -> None:
        """Start the pool for whoever has the permit, once it has stopped."""

        def start(_problem: str | None) -> None:
            if self._permit.is_given:
                if by := arguments.get("by"):
                    self._pool.record.started_by = {"at": utc_text(datetime.now(UTC)), **by}
                self._start_pool({}, answer)
            else:
                answer({"ok": False, "problem": "the permit to start the pool was withdrawn"})

        if self._permit.is_given:
            self._pool.stop(start)
        else:
            start(None)

    def _stop(self, arguments: dict[str, Any], answer: Answer) -> None:
        self._permit.give(arguments.get("permit"), arguments.get("by"))
        self._pool.record.started_by = None
        if arguments.get("exit"):
            self._end(told(answer))
        else:
            self._pool.stop(told(answer))

    def _start_pool(self, _: dict[str, Any], answer: Answer) -> None:
        self._permit.give(None)
        try:
            settings = load_settings(self._config)
        except SettingsError:
            # The status shows what is wrong with the file; the pool serves with what it last served with.
            settings = self._pool.good_settings
        self._pool.start(settings, told(answer))


def _figures(said: dict[str, Any] | None) -> dict[str, Any]:
    """Return what a worker said of itself; nothing if it did not answer."""
    known = said or {}
    return {
        "requests_served": known.get("served"),
        "requests_running": len(known["requests"]) if known else None,
        "requests_queued": known.get("queued"),
        "private_memory_kb": known.get("private_memory"),
    }


def told(answer: Answer, more: Callable[[], dict[str, Any]] = dict) -> Waiter:
    """Return a waiter that answers a control request; `more` is asked when all went well."""

    def tell(problem: str | None) -> None:
        answer({"ok": True, **more()} if problem is None else {"ok": False, "problem": problem})

    return tell
