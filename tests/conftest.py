"""Fixtures for all tests: one PostgreSQL server for the run, a migrated database for each test or module."""

import gc
from collections.abc import AsyncIterator, Generator
from urllib.parse import urlsplit

import hypothesis
import pytest

from adapters.postgres.migrate import migrate
from tests.support.memory import keep_files_in_memory
from tests.support.postgres import create_database, drop_database, run_server

# How long an example takes says how busy the machine is; what is too slow is told by the benchmarks.
hypothesis.settings.register_profile("tallygate", deadline=None)
hypothesis.settings.load_profile("tallygate")
keep_files_in_memory()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        default="embedded",
        metavar="embedded|container|DSN",
        help="where tests get PostgreSQL: the embedded one (default), a container, or a running server's address",
    )
    parser.addoption(
        "--routing-seconds",
        default=30.0,
        type=float,
        metavar="SECONDS",
        help="how long eight vendors misbehave under load (30 by default; 120 for the whole show)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected, all of which stay, and never look at them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
async def postgres_dsn(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a server that the test may make databases on; one server per test process."""
    async with run_server(request.config.getoption("--postgres")) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def template_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The name of a migrated database to copy; nobody may stay connected to it."""
    dsn = await create_database(postgres_dsn)
    await migrate(dsn)
    yield urlsplit(dsn).path.lstrip("/")
    await drop_database(dsn)


@pytest.fixture
async def empty_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The address of a database with nothing in it."""
    dsn = await create_database(postgres_dsn)
    yield dsn
    await drop_database(dsn)


@pytest.fixture
async def database(postgres_dsn: str, template_database: str) -> AsyncIterator[str]:
    """The address of a migrated database for one test."""
    dsn = await create_database(postgres_dsn, template=template_database)
    yield dsn
    await drop_database(dsn)


@pytest.fixture(scope="module")
async def module_database(postgres_dsn: str, template_database: str) -> AsyncIterator[str]:
    """The address of a migrated database that the tests of a module share."""
    dsn = await create_database(postgres_dsn, template=template_database)
    yield dsn
    await drop_database(dsn)
