"""Changing the settings of a running pool."""

import threading

import pytest

from tests.functional.pool.helpers import Load, eventually, is_alive, kill, settings_text

BAD_FILES = {
    "not a number": (settings_text(limit="ten"), "ten"),
    "missing bracket": (settings_text().replace("</appSettings>", "</appSettings"), "Settings.config"),
    "doctype": (
        settings_text().replace("<configuration>", "<!DOCTYPE configuration>\n<configuration>"),
        "DOCTYPE",
    ),
    "empty": ("", "Settings.config"),
}


def test_no_request_fails_while_settings_change(pool):
    pool.start()
    first = pool.about()["pid"]

    with Load(pool.url) as load:
        for limit in (11, 12):
            pool.settings(limit=limit)
            eventually(lambda wanted=limit: load.answers[-1]["limit"] == wanted, what=f"limit {limit} served")
        eventually(lambda: len(load.pids()) == 1, what="one worker alone")

    assert load.failures == []
    status = pool.status()
    assert status["recycles"] == 2
    assert status["failures"] == 0
    assert status["worker_pid"] not in (first, None)
    assert status["last_recycle"]["reason"] == "configuration change"
    assert status["last_recycle"]["changes"] == [
        {"key": "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES", "old": "11", "new": "12"}
    ]
    assert status["last_recycle"]["seconds"] > 0


def test_big_answers_are_whole_while_the_worker_changes(pool):
    pool.start()

    with Load(pool.url, keep_alive=1, fresh=1, paths=("/big?size=3000000", "/?sleep=0.01")) as load:
        assert pool.recycle() is None
        eventually(lambda: pool.status()["leaving_pids"] == [], what="old workers gone")

    assert load.failures == []


def test_background_work_of_two_workers_never_overlaps(pool):
    pool.start()
    for _ in range(2):
        assert pool.recycle() is None
    pool.end()

    steps = pool.journal()
    assert [what for _, what in steps] == ["start", "handed over"] * 3
    assert all(steps[i][0] == steps[i + 1][0] for i in range(0, len(steps), 2))


def test_a_worker_waits_for_work_that_was_not_handed_over(pool):
    pool.settings(attempts=97)
    pool.start()
    client = threading.Thread(target=lambda: pool.get("/?until=done"))
    client.start()
    eventually(lambda: pool.about()["running"] == 2, what="the slow request runs")
    old = pool.about()["pid"]

    assert pool.recycle() is None
    assert is_alive(old)
    assert pool.about()["pid"] != old
    assert len(pool.journal()) == 1
    (pool.folder / "done").touch()

    eventually(lambda: len(pool.journal()) == 2, what="the new worker takes work")
    client.join(timeout=10)
    assert [what for _, what in pool.journal()] == ["start", "start"]


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_and_nothing_is_touched(running_pool, kind):
    text, told = BAD_FILES[kind]
    before = running_pool.status()

    running_pool.write(text)
    refused = running_pool.until_status("config_error", lambda s: s["config_error"])

    assert told in refused["config_error"]
    assert refused["worker_pid"] == before["worker_pid"]
    assert refused["state"] == "Started"
    eventually(lambda: told in running_pool.get("/pool")[2].decode(), what="the worker is told")
    assert told in running_pool.recycle()

    running_pool.settings()
    good = running_pool.until_status("no config_error", lambda s: s["config_error"] is None)
    assert good["worker_pid"] == before["worker_pid"]
    assert good["recycles"] == before["recycles"]


def test_a_change_without_effect_does_nothing(running_pool):
    before = running_pool.status()

    running_pool.write(settings_text().replace("</configuration>", "  <!-- a remark -->\n</configuration>"))
    running_pool.settings(limit=77)

    after = running_pool.until_status("limit 77", lambda s: s["limit"] == 77)
    assert after["recycles"] == before["recycles"] + 1
    assert after["last_recycle"]["changed_keys"] == ["MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES"]
    running_pool.settings()
    running_pool.until_status("limit 10", lambda s: s["limit"] == 10)


@pytest.mark.parametrize(
    ("attempts", "startup", "told"), [(99, "00:00:02", "never ready"), (98, "00:00:20", "cannot be loaded")]
)
def test_the_old_worker_stays_when_the_new_one_does_not_get_ready(running_pool, attempts, startup, told):
    before = running_pool.status()

    running_pool.settings(attempts=attempts, startup=startup)
    failed = running_pool.until_status("config_error", lambda s: s["config_error"])

    assert told in failed["config_error"]
    assert failed["worker_pid"] == before["worker_pid"] == running_pool.about()["pid"]
    assert failed["limit"] == before["limit"]
    running_pool.settings()
    running_pool.until_status("no config_error", lambda s: s["config_error"] is None)


def test_a_worker_killed_after_a_refused_change_comes_back_with_the_last_good_values(running_pool):
    before = running_pool.status()
    running_pool.write(settings_text(limit="ten"))
    running_pool.until_status("config_error", lambda s: s["config_error"])

    kill(before["worker_pid"])
    after = running_pool.until_status(
        "another worker", lambda s: s["worker_pid"] not in (None, before["worker_pid"])
    )

    assert after["state"] == "Started"
    assert after["failures"] == before["failures"] + 1
    assert running_pool.about()["limit"] == 10
    running_pool.settings()
    running_pool.until_status("no config_error", lambda s: s["config_error"] is None)


def test_a_change_waits_for_the_next_recycle_where_the_file_says_so(pool):
    pool.start()

    pool.settings(limit=30, recycling='disallowRotationOnConfigChange="true"')
    waiting = pool.until_status("changes not applied", lambda s: s["changes_not_applied"])
    assert waiting["limit"] == 10
    assert waiting["recycles"] == 0

    assert pool.recycle() is None
    assert pool.status()["limit"] == 30


def test_the_old_worker_goes_first_where_workers_may_not_overlap(pool):
    pool.settings(recycling='disallowOverlappingRotation="true"')
    pool.start()

    with Load(pool.url) as load:
        assert pool.recycle() is None

    assert load.failures == []
    assert [what for _, what in pool.journal()] == ["start", "handed over", "start"]
