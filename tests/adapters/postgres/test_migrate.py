import asyncio
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.errors import SchemaError, UnreachableError
from adapters.postgres.migrate import check, find_pending, migrate, read_migrations, split_statements


def write(folder: Path, **files: str) -> None:
    for name, sql in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(sql)


async def fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        (" ;; -- nothing; at all\n /* ; /* nested; */ ; */ ;", []),
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select ';', 'it''s;', E'\\';'; select \"a;\"\"b\"", ["select ';', 'it''s;', E'\\';'", 'select "a;""b"']),
        ("do $$ begin; end; $$; select 1", ["do $$ begin; end; $$", "select 1"]),
        ("do $a$ $$ ; $b$ $a$;select 1", ["do $a$ $$ ; $b$ $a$", "select 1"]),
        ("select $1; select a$b$c; select 2", ["select $1", "select a$b$c", "select 2"]),
        ("-- why; so\nselect 1 /* ; */ + 1;", ["-- why; so\nselect 1 /* ; */ + 1"]),
        ("select '--'; select 1", ["select '--'", "select 1"]),
    ],
)
def test_scripts_are_split_between_statements_only(script: str, statements: list[str]) -> None:
    assert list(split_statements(script)) == statements


@pytest.mark.parametrize(
    "script", ["select $$ ;", "select 1 /* ; /* */", "create function f() begin atomic select 1; end"]
)
def test_scripts_that_cannot_be_split_are_refused(script: str) -> None:
    with pytest.raises(SchemaError):
        list(split_statements(script))


def test_the_packaged_migrations_can_be_read() -> None:
    assert read_migrations()[0].number == 1


async def test_only_what_is_missing_is_applied_in_order(empty_database: str, tmp_path: Path) -> None:
    write(tmp_path, m0002_b="insert into a values (2)", m0001_a="create table a (x int); insert into a values (1)")
    assert await migrate(empty_database, tmp_path) == ["0001_a", "0002_b"]
    write(tmp_path, m0010_c="insert into a values (3)")

    assert await find_pending(empty_database, tmp_path) == ["0010_c"]
    with pytest.raises(SchemaError, match="0010_c"):
        await check(empty_database, tmp_path)
    assert await migrate(empty_database, tmp_path) == ["0010_c"]
    assert await migrate(empty_database, tmp_path) == []
    await check(empty_database, tmp_path)
    assert await fetch(empty_database, "select array_agg(x order by x) from a") == [1, 2, 3]


async def test_a_migration_that_fails_leaves_nothing(empty_database: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_a="create table a (x int)", m0002_b="create table b (x int); select 1 / 0")

    with pytest.raises(SchemaError, match="0002_b failed and was undone: division by zero"):
        await migrate(empty_database, tmp_path)

    assert await fetch(empty_database, "select to_regclass('b') is null and to_regclass('a') is not null")
    assert await find_pending(empty_database, tmp_path) == ["0002_b"]


async def test_racing_starters_apply_each_migration_once(empty_database: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_a="create table a (x int); select pg_sleep(0.2)", m0002_b="insert into a values (1)")

    results = await asyncio.gather(*(migrate(empty_database, tmp_path) for _ in range(5)))

    assert sorted(results) == [[], [], [], [], ["0001_a", "0002_b"]]
    assert await fetch(empty_database, "select count(*) from a") == 1


async def test_a_newer_database_is_refused(empty_database: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_a="create table a (x int)", m0002_b="select 1")
    await migrate(empty_database, tmp_path)
    (tmp_path / "0002_b.sql").unlink()

    for refusing in (migrate, check, find_pending):
        with pytest.raises(SchemaError, match="0002_b, which this version does not know"):
            await refusing(empty_database, tmp_path)


async def test_a_changed_migration_is_refused(empty_database: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_a="create table a (x int)")
    await migrate(empty_database, tmp_path)
    write(tmp_path, m0001_a="create table a (x bigint)", m0002_b="create table b (x int)")

    with pytest.raises(SchemaError, match=r"0001_a\.sql is not what was applied"):
        await migrate(empty_database, tmp_path)

    assert await fetch(empty_database, "select to_regclass('b') is null")


async def test_a_server_that_is_too_old_is_refused(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, m0001_a="create table a (x int)")
    monkeypatch.setattr("adapters.postgres.migrate.VERSION_MIN", 99)

    with pytest.raises(SchemaError, match="99 or newer is needed"):
        await migrate(empty_database, tmp_path)

    assert await fetch(empty_database, "select to_regclass('schema_migration') is null")


async def test_an_unreachable_database_is_reported_without_its_password() -> None:
    with pytest.raises(UnreachableError) as refusal:
        await check("postgresql://user:pass-word-1@127.0.0.1:1/x")

    assert "cannot connect" in str(refusal.value)
    assert "pass-word-1" not in str(refusal.value)


@pytest.mark.parametrize(("names", "message"), [(["1_a"], "not named"), (["0001_a", "0001_b"], "same number")])
def test_badly_numbered_files_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    write(tmp_path, **dict.fromkeys(names, "select 1"))

    with pytest.raises(SchemaError, match=message):
        read_migrations(tmp_path)
