from datetime import UTC, datetime, timedelta

from gateway.engine.pauses import Pauses

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class TestPauses:
    def test_one_instance_does_not_pause_another(self):
        pauses = Pauses()
        pauses.pause("Office 365", NOW + timedelta(seconds=30))

        assert pauses.seconds_left("Office 365", NOW) == 30
        assert pauses.seconds_left("Other", NOW) == 0

    def test_a_shorter_pause_does_not_shorten_a_longer_one(self):
        pauses = Pauses()
        pauses.pause("Office 365", NOW + timedelta(seconds=30))
        pauses.pause("Office 365", NOW + timedelta(seconds=5))

        assert pauses.seconds_left("Office 365", NOW) == 30

    def test_it_ends(self):
        pauses = Pauses()
        pauses.pause("Office 365", NOW)

        assert pauses.seconds_left("Office 365", NOW + timedelta(seconds=1)) == 0
