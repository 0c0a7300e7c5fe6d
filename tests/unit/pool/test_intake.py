import pytest

from gateway.pool.events import EventLog
from gateway.pool.intake import SettingsIntake
from gateway.pool.messages import SettingsRead
from tests.unit.pool.helpers import settings

NO_ROTATION = 'disallowRotationOnConfigChange="true"'


@pytest.fixture
def intake(started, tmp_path):
    return SettingsIntake(started.machine, EventLog(tmp_path / "events.jsonl"))


def good(folder, **values):
    return SettingsRead(settings(folder, **values), None)


def test_other_values_recycle(intake, started, tmp_path):
    intake.take(good(tmp_path, limit=20))

    assert started.machine.rotation.request.reason == "configuration change"
    assert started.newest.settings.app.max_allowed_nb_of_simultaneous_upgrades == 20


@pytest.mark.parametrize(
    ("values", "expected"),
    [({}, False), ({"limit": 20}, True), ({"limit": 20, "recycling": NO_ROTATION}, False)],
)
def test_it_is_known_beforehand_whether_values_will_recycle(intake, tmp_path, values, expected):
    assert intake.would_recycle(settings(tmp_path, **values)) is expected


def test_refused_values_will_not_recycle_again(intake, started, tmp_path):
    intake.take(good(tmp_path, limit=20))
    started.exit(started.newest, 1)

    assert not intake.would_recycle(settings(tmp_path, limit=20))


def test_the_same_values_do_not(intake, started, tmp_path):
    intake.take(good(tmp_path))

    assert started.machine.rotation is None


def test_an_error_is_kept_until_the_file_is_good(intake, started, tmp_path):
    intake.take(SettingsRead(None, "line 3 is wrong"))
    assert intake.error == "line 3 is wrong"
    assert started.machine.rotation is None

    intake.take(good(tmp_path))
    assert intake.error is None


def test_values_that_are_tried_already_are_not_tried_twice(intake, started, tmp_path):
    intake.take(good(tmp_path, limit=20))
    intake.take(good(tmp_path, limit=20))

    assert started.machine.target_settings.app.max_allowed_nb_of_simultaneous_upgrades == 20
    started.make_serve(started.newest)
    assert len(started.spawned) == 2


def test_going_back_while_a_change_is_tried_goes_back(intake, started, tmp_path):
    intake.take(good(tmp_path, limit=20))
    intake.take(good(tmp_path, limit=10))
    started.make_serve(started.newest)
    started.make_serve(started.newest)

    assert started.machine.good_settings.app.max_allowed_nb_of_simultaneous_upgrades == 10


def test_a_refusal_is_forgotten_when_the_old_values_are_back(intake, started, tmp_path):
    intake.take(good(tmp_path, limit=20))
    started.report(started.newest, "failed", reason="broken")
    assert started.machine.record.refused

    intake.take(good(tmp_path))

    assert started.machine.record.refused is None
    assert started.machine.rotation is None


def test_a_change_can_be_kept_from_recycling(intake, started, tmp_path):
    intake.take(good(tmp_path, limit=20, recycling=NO_ROTATION))

    assert "MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES" in intake.not_applied
    assert started.machine.rotation is None


def test_a_stopped_pool_is_not_started_by_a_change(intake, started, tmp_path):
    started.machine.stop()
    started.exit(started.newest)

    intake.take(good(tmp_path, limit=20))

    assert started.state() == "Stopped"
    assert len(started.spawned) == 1
