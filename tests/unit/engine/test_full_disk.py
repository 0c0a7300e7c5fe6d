from gateway.engine.steps import DATABASE_PAUSE, advance
from gateway.models import UpgradeStatus
from tests.catalogs import STANDARD
from tests.databases import fill, full_disk


def test_an_upgrade_waits_for_room_and_is_sent_once(world):
    upgrade_id = world.schedule("one", STANDARD)
    ctx = world.context()
    world.claim(ctx)

    with full_disk(world.database):
        fill(world.database)
        assert advance(upgrade_id, ctx) == DATABASE_PAUSE
        assert advance(upgrade_id, ctx) == DATABASE_PAUSE

    assert world.run(ctx, upgrade_id).status is UpgradeStatus.COMPLETED
    assert len(world.control.calls()) == len(world.control.transitions()) == 1
