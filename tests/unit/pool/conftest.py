import pytest

from tests.unit.pool.helpers import Pool, settings


@pytest.fixture
def pool(tmp_path):
    """A state machine that nothing was asked of yet."""
    return Pool(tmp_path, settings(tmp_path))


@pytest.fixture
def started(pool, tmp_path):
    """One whose first worker serves."""
    pool.start(settings(tmp_path))
    pool.make_serve(pool.newest)
    pool.newest.commands.clear()
    return pool
