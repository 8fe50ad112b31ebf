import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

from adapters.clock import now
from tests.app.api.conftest import Monotonic, Person, World

if TYPE_CHECKING:
    import httpx

PASSWORD = "correct horse battery"


async def _login(world: World, login: str, password: str = PASSWORD) -> "httpx.Response":
    world.client.cookies.clear()
    return await world.client.post("/api/login", json={"login": login, "password": password})


async def _member(world: World, **roles: Any) -> str:
    user = await world.user(**roles)
    await world.administration.set_password(user.user_id, PASSWORD, actor="system:test")
    return user.login


async def test_login_opens_a_session_in_a_cookie_that_scripts_cannot_read(world: World) -> None:
    answer = await _login(world, await _member(world, platform="root"))

    assert answer.status_code == 200
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("tallygate_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await world.client.get("/api/me")).json()["user"]["platform_role"] == "root"


async def test_a_change_within_a_session_needs_the_csrf_token(world: World) -> None:
    answer = await _login(world, await _member(world, platform="root"))
    body = {"name": "Acme"}

    without = await world.client.post("/api/tenants", json=body)
    wrong = await world.client.post("/api/tenants", json=body, headers={"x-csrf-token": "guessed"})
    right = await world.client.post("/api/tenants", json=body, headers={"x-csrf-token": answer.json()["csrf_token"]})

    assert [each.json().get("code") for each in (without, wrong)] == ["csrf_token_required"] * 2
    assert right.status_code == 201


async def test_the_first_password_must_be_changed_before_anything_else(world: World) -> None:
    user = await world.user(platform="root")
    await world.administration.set_password(user.user_id, PASSWORD, actor="system:test", must_change=True)
    token = {"x-csrf-token": (await _login(world, user.login)).json()["csrf_token"]}

    refused = await world.client.get("/api/tenants")
    changed = await world.client.post(
        "/api/password", json={"current": PASSWORD, "new": "another fine password"}, headers=token
    )

    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    assert changed.status_code == 204
    assert (await world.client.get("/api/tenants")).status_code == 200
    assert (await _login(world, user.login)).status_code == 401


async def test_changing_the_password_ends_the_other_sessions_but_not_this_one(world: World) -> None:
    login = await _member(world, platform="root")
    await _login(world, login)
    other = dict(world.client.cookies)
    token = {"x-csrf-token": (await _login(world, login)).json()["csrf_token"]}

    await world.client.post("/api/password", json={"current": PASSWORD, "new": "another fine password"}, headers=token)

    assert (await world.client.get("/api/me")).status_code == 200
    world.client.cookies.clear()
    world.client.cookies.update(other)
    assert (await world.client.get("/api/me")).status_code == 401


async def test_logging_out_ends_the_session_itself_and_not_only_the_cookie(world: World) -> None:
    token = {"x-csrf-token": (await _login(world, await _member(world))).json()["csrf_token"]}
    cookies = dict(world.client.cookies)

    assert (await world.client.post("/api/logout", headers=token)).status_code == 204

    world.client.cookies.update(cookies)
    assert (await world.client.get("/api/me")).status_code == 401


async def test_a_session_ends_when_idle_and_in_any_case_after_a_day(world: World) -> None:
    user = await world.user()
    moment = now()
    opened = await world.sessions.open(user.user_id, now=moment, user_agent="", address="")

    used = [moment + dt.timedelta(minutes=90 * step) for step in range(1, 16)]
    found = [await world.sessions.find(opened.secret, now=at) is not None for at in used]
    after_a_day = await world.sessions.find(opened.secret, now=moment + dt.timedelta(hours=24))
    idle = await world.sessions.open(user.user_id, now=moment, user_agent="", address="")

    assert all(found)
    assert after_a_day is None
    assert await world.sessions.find(idle.secret, now=moment + dt.timedelta(hours=2)) is None


async def test_wrong_passwords_and_unknown_logins_are_answered_alike(world: World) -> None:
    known = await _login(world, await _member(world), "wrong password")
    unknown = await _login(world, "nobody-at-all", "wrong password")

    assert known.status_code == 401
    assert known.content == unknown.content


async def test_guessing_is_slowed_down_more_and_more_even_in_parallel(world: World, monotonic: Monotonic) -> None:
    login = await _member(world)
    body = {"login": login, "password": "guess"}

    answers = await asyncio.gather(*(world.client.post("/api/login", json=body) for _ in range(20)))
    codes = [answer.json()["code"] for answer in answers]
    right_too_early = await _login(world, login)
    monotonic.seconds += 1.1
    right_in_time = await _login(world, login)

    assert codes.count("invalid_credentials") == 3
    assert codes.count("too_many_attempts") == 17
    assert right_too_early.status_code == 429
    assert int(right_too_early.headers["retry-after"]) in {1, 2}
    assert right_in_time.status_code == 200


async def test_one_password_tried_on_many_logins_is_slowed_down_by_address(world: World) -> None:
    own = await _member(world)

    codes = []
    for number in range(25):
        codes.append((await _login(world, f"victim{number}")).json()["code"])
        if number % 5 == 0 and codes[-1] == "invalid_credentials":
            # One's own account in between does not make the guesses forgotten.
            await _login(world, own)

    assert codes[:15] == ["invalid_credentials"] * 15
    assert codes[-1] == "too_many_attempts"


async def test_a_disabled_user_can_neither_log_in_nor_go_on(world: World, root: Person) -> None:
    login = await _member(world)
    await _login(world, login)
    user = await world.administration.find("user", login)
    assert user is not None
    person = await world.client.get("/api/me")

    await root.patch(f"/users/{user.entity_id}", {"disabled": True}, user.version)

    assert person.status_code == 200
    assert (await world.client.get("/api/me")).status_code == 401
    assert (await _login(world, login)).status_code == 401


async def test_a_personal_token_does_what_its_scopes_allow_and_no_more(world: World) -> None:
    reader = await world.person("root", scopes=("read",))
    writer = await world.person("root", scopes=("read", "write"))
    tenant = await world.tenant()

    assert (await reader.get("/tenants")).status_code == 200
    assert (await reader.post("/tenants", {"name": "Acme"})).json()["code"] == "forbidden"
    assert (await writer.post("/tenants", {"name": "Acme"})).status_code == 201
    assert (await writer.pay(f"/tenants/{tenant}/top-ups", {"amount": "1"})).json()["code"] == "forbidden"


async def test_personal_tokens_are_made_in_a_session_only_and_shown_once(world: World, root: Person) -> None:
    token = {"x-csrf-token": (await _login(world, await _member(world, platform="root"))).json()["csrf_token"]}
    body = {"name": "deploy", "scopes": ["read"]}

    made = await world.client.post("/api/personal-tokens", json=body, headers=token)
    secret = made.json()["secret"]
    listed = await world.client.get("/api/personal-tokens")
    by_token = await root.post("/personal-tokens", body)
    deleted = await world.client.delete(f"/api/personal-tokens/{made.json()['id']}", headers=token)

    assert made.status_code == 201
    assert secret.startswith("tgp_")
    assert secret not in listed.text
    assert by_token.json()["code"] == "session_required"
    assert deleted.status_code == 204
    world.client.cookies.clear()
    assert (await world.client.get("/api/me", headers={"authorization": f"Bearer {secret}"})).status_code == 401
    stored = await world.pool.fetch("SELECT * FROM admin.personal_token")
    assert all(secret not in str(dict(row)) for row in stored)


async def test_an_expired_personal_token_is_nobody(world: World) -> None:
    user = await world.user(platform="root")
    moment = now()
    _, secret = await world.sessions.create_token(
        user.user_id,
        user.user_id,
        name="old",
        scopes=("read",),
        expires_at=moment - dt.timedelta(seconds=1),
        now=moment,
    )

    assert (await world.same(user, secret).get("/me")).status_code == 401
