"""What the commands of a running pool tell and do."""

import json
import threading

import pytest

from gateway.settings import load_settings
from tests.functional.pool.helpers import eventually


def run_json(pool, verb, *arguments):
    done = pool.run(verb, *arguments, "--json")
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(autouse=True)
def _leave_good_settings(running_pool):
    yield
    running_pool.settings()
    revision = load_settings(running_pool.config).revision
    running_pool.until_status(
        "good settings",
        lambda s: (
            s["revision"] == revision and not (s["config_error"] or s["leaving_pids"] or s["starting_pids"])
        ),
    )


def test_set_returns_when_the_pool_runs_with_the_value(running_pool):
    text = running_pool.config.read_text()

    code, answer = run_json(running_pool, "set", "max_allowed_nb_of_simultaneous_upgrades", "23")

    key = "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"
    assert code == 0
    assert answer == {"changes": [{"key": key, "old": "10", "new": "23"}], "outcome": "in force"}
    assert running_pool.about()["limit"] == 23
    assert running_pool.config.read_text() == text.replace('value="10"', 'value="23"')
    assert run_json(running_pool, "set", key, "23")[1] == {"changes": [], "outcome": "unchanged"}


def test_set_checks_before_it_writes(running_pool):
    text = running_pool.config.read_text()

    refused = running_pool.run("set", "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES", "ten")

    assert refused.returncode == 2
    assert "from 1 to 1000" in refused.stderr
    assert running_pool.run("set", "NO_SUCH_KEY", "1").returncode == 2
    assert running_pool.config.read_text() == text


def test_set_tells_when_no_worker_gets_ready_with_the_value(running_pool):
    before = running_pool.about()["pid"]

    code, answer = run_json(running_pool, "set", "UPGRADE_MAX_ATTEMPTS", "98")

    assert code == 1
    assert "cannot be loaded" in answer["outcome"]
    assert running_pool.about()["pid"] == before


def test_a_key_that_the_second_file_has_is_not_set(running_pool):
    text = running_pool.config.read_text()
    second = running_pool.folder / "Secrets.config"
    second.write_text('<appSettings><add key="LOG_LEVEL" value="ERROR" /></appSettings>')
    running_pool.write(text.replace("<appSettings>", '<appSettings file="Secrets.config">'))

    refused = running_pool.run("set", "LOG_LEVEL", "DEBUG")

    assert refused.returncode == 2
    assert "second file" in refused.stderr


def test_workers_and_requests_are_listed(running_pool):
    client = threading.Thread(target=lambda: running_pool.get("/slow?until=listed&secret=1", timeout=60))
    client.start()
    eventually(lambda: running_pool.about()["running"] == 2, what="the slow request runs")

    _, workers = run_json(running_pool, "list-workers")
    _, requests = run_json(running_pool, "list-requests")

    assert [w["pid"] for w in workers] == [running_pool.status()["worker_pid"]]
    assert workers[0]["requests_running"] == 1
    assert workers[0]["private_memory_kb"] > 1000
    assert [(r["method"], r["path"], r["client"]) for r in requests] == [("GET", "/slow", "127.0.0.1")]
    assert "PID" in running_pool.run("list-workers").stdout
    assert "/slow" in running_pool.run("list-requests").stdout
    (running_pool.folder / "listed").touch()
    client.join(timeout=10)


def test_events_tell_what_changed_and_what_was_refused(running_pool):
    running_pool.settings(limit=11)
    running_pool.until_status("limit 11", lambda s: s["limit"] == 11)
    running_pool.settings(limit="eleven")
    running_pool.until_status("config_error", lambda s: s["config_error"])
    running_pool.settings(limit=11)
    running_pool.until_status("no config_error", lambda s: not s["config_error"])

    _, events = run_json(running_pool, "events")

    recycle = [event for event in events if event["id"] == 5080][-1]
    assert recycle["changes"] == [
        {"key": "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES", "old": "10", "new": "11"}
    ]
    ids = [event["id"] for event in events]
    assert ids[ids.index(9020) :][:3] == [9020, 9023, 9022]
    assert "eleven" in running_pool.run("events", "--count", "3").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status",), 3),
        (("recycle", "--wait"), 3),
        (("list-workers",), 3),
        (("set", "UPGRADE_MAX_ATTEMPTS", "no number"), 2),
    ],
)
def test_json_is_answered_for_what_fails_too(pool, arguments, code):
    found, answer = run_json(pool, *arguments)

    assert found == code
    assert not answer["ok"]
    assert answer["problem"]


def test_json_is_answered_for_every_verb(running_pool):
    assert run_json(running_pool, "recycle", "--wait") == (0, {"ok": True})
    assert run_json(running_pool, "stop") == (0, {"ok": True})
    code, answer = run_json(running_pool, "recycle")
    assert (code, answer["ok"]) == (1, False)
    assert run_json(running_pool, "start-pool") == (0, {"ok": True})
    assert run_json(running_pool, "validate")[1]["valid"]
    code, answer = run_json(running_pool, "validate", str(running_pool.folder / "web.ini"))
    assert (code, answer["valid"]) == (2, False)
