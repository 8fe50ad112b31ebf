"""Hashing and checking passwords."""

import asyncio

import pytest
from argon2 import PasswordHasher

from adapters.passwords import LENGTH_MAX, Passwords, generate_password


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


async def test_only_the_right_password_matches_its_hash(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")

    assert hashed.startswith("$argon2id$")
    assert await passwords.verify(hashed, "correct horse")
    assert not await passwords.verify(hashed, "correct horsE")
    assert not await passwords.verify("not a hash", "correct horse")
    assert not await passwords.verify(hashed, "x" * (LENGTH_MAX + 1))


async def test_where_there_is_no_user_a_hash_is_computed_all_the_same(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    matches = passwords._matches

    def watch(hashed: str, password: str) -> bool:
        computed.append(hashed)
        return matches(hashed, password)

    monkeypatch.setattr(passwords, "_matches", watch)

    assert not await passwords.verify(None, "correct horse")
    assert computed[0].startswith("$argon2id$")


async def test_a_hash_of_weaker_parameters_is_outdated(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")

    assert not passwords.outdated(hashed)
    assert Passwords().outdated(hashed)


async def test_few_hashes_are_computed_at_once(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0

    async def count(function: object, *_args: object) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return "hash" if function == passwords._hasher.hash else True

    monkeypatch.setattr(asyncio, "to_thread", count)
    await asyncio.gather(*(passwords.hash("correct horse") for _ in range(10)))

    assert most == 2


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {generate_password() for _ in range(100)}

    assert len(made) == 100
    assert {len(password) for password in made} == {20}
    assert not set("".join(made)) & set("lIO01")
