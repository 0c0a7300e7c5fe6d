import pytest

from tests.functional.pool.helpers import PoolRunner


@pytest.fixture
def pool(tmp_path):
    """A pool that is not started yet, with valid settings."""
    runner = PoolRunner(tmp_path)
    runner.settings()
    yield runner
    runner.end()


@pytest.fixture(scope="module")
def running_pool(tmp_path_factory):
    """A started pool that the tests of one file share; each leaves it with valid settings."""
    runner = PoolRunner(tmp_path_factory.mktemp("pool"))
    runner.settings()
    yield runner.start()
    runner.end()
