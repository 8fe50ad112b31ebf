import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from adapters.clock import now
from adapters.ids import new_id
from domain.ids import PLATFORM, EntityId
from tests.app.api.conftest import Monotonic, Person, World, application, shared_application

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


async def test_money_and_secrets_need_a_password_that_was_given_lately(world: World) -> None:
    tenant = await world.tenant()
    login = await _member(world, platform="root")
    token = {"x-csrf-token": (await _login(world, login)).json()["csrf_token"]}

    async def try_both() -> list[int]:
        paid = await world.client.post(
            f"/api/tenants/{tenant}/top-ups", json={"amount": "1"}, headers={**token, "idempotency-key": new_id()}
        )
        made = await world.client.post("/api/personal-tokens", json={"name": "x", "scopes": ["read"]}, headers=token)
        return [paid.status_code, made.status_code]

    fresh = await try_both()
    await world.pool.execute("UPDATE admin.session SET confirmed_at = confirmed_at - interval '11 minutes'")
    stale = await world.client.post("/api/personal-tokens", json={"name": "x", "scopes": ["read"]}, headers=token)
    refused = await try_both()
    reads = await world.client.get("/api/tenants")
    wrong = await world.client.post("/api/step-up", json={"password": "not this one"}, headers=token)
    still = await try_both()
    right = await world.client.post("/api/step-up", json={"password": PASSWORD}, headers=token)

    assert fresh == [201, 201]
    assert (stale.status_code, stale.json()["code"]) == (403, "step_up_required")
    assert refused == still == [403, 403]
    assert reads.status_code == 200
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert right.status_code == 200
    assert await try_both() == [201, 201]
    assert (await world.client.get("/api/me")).json()["stepped_up_until"] == right.json()["until"]


async def test_a_personal_token_steps_up_by_its_scopes_only(world: World) -> None:
    plain = await world.person("root", scopes=("read", "write"))
    trusted = await world.person("root", scopes=("read", "write", "secrets"))
    body = {"login": "fresh", "name": "Fresh", "password": "a first password"}

    refused = await plain.post("/users", body)
    stepped = await trusted.post("/step-up", {"password": PASSWORD})

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "secrets" in refused.json()["detail"]
    assert stepped.json()["code"] == "session_required"
    assert (await trusted.post("/users", body)).status_code == 201


async def test_one_sees_and_ends_one_s_own_sessions(world: World) -> None:
    login, stranger = await _member(world), await _member(world)
    await _login(world, stranger)
    foreign = (await world.client.get("/api/sessions")).json()["items"][0]["id"]
    await _login(world, login)
    first = dict(world.client.cookies)
    await _login(world, login)
    third = {"x-csrf-token": (await _login(world, login)).json()["csrf_token"]}

    listed = (await world.client.get("/api/sessions")).json()["items"]
    other = next(each["id"] for each in listed if not each["current"])
    ended = await world.client.delete(f"/api/sessions/{other}", headers=third)
    not_mine = await world.client.delete(f"/api/sessions/{foreign}", headers=third)
    nothing = await world.client.delete(f"/api/sessions/{new_id()}", headers=third)
    after_one = (await world.client.get("/api/sessions")).json()["items"]
    all_others = await world.client.delete("/api/sessions", headers=third)

    assert [each["current"] for each in listed].count(True) == 1
    assert len(listed) == 3
    assert (ended.status_code, all_others.status_code) == (204, 204)
    assert not_mine.status_code == 404
    assert not_mine.content == nothing.content
    assert len(after_one) == 2
    assert [each["current"] for each in (await world.client.get("/api/sessions")).json()["items"]] == [True]
    world.client.cookies.clear()
    world.client.cookies.update(first)
    assert (await world.client.get("/api/me")).status_code == 401


async def test_failures_of_others_never_keep_a_browser_out_that_knew_the_password_before(
    world: World, monotonic: Monotonic
) -> None:
    login = await _member(world)
    await _login(world, login)
    known = {"tallygate_device": world.client.cookies["tallygate_device"]}
    for _ in range(60):
        await _login(world, login, "a guess")
        monotonic.seconds += 61
        await _login(world, login, "a guess")

    stranger = await _login(world, login)
    world.client.cookies.clear()
    world.client.cookies.update(known)
    owner = await world.client.post("/api/login", json={"login": login, "password": PASSWORD})

    assert stranger.json()["code"] == "too_many_attempts"
    assert owner.status_code == 200


async def test_the_cookie_of_one_s_own_browser_opens_no_way_to_guess_at_others(world: World) -> None:
    own, victim = await _member(world), await _member(world)
    await _login(world, own)
    device = world.client.cookies["tallygate_device"]
    codes = []
    for _ in range(6):
        world.client.cookies.clear()
        world.client.cookies.set("tallygate_device", device)
        answer = await world.client.post("/api/login", json={"login": victim, "password": "a guess"})
        codes.append(answer.json()["code"])

    assert codes[:3] == ["invalid_credentials"] * 3
    assert codes[3:] == ["too_many_attempts"] * 3


async def test_over_https_the_cookies_have_the_host_prefix_and_are_secure(world: World) -> None:
    login = await _member(world)
    async with world.client_of(shared_application(world.api(secure_cookies=True))) as client:
        answer = await client.post("/api/login", json={"login": login, "password": PASSWORD})

    cookies = {each.partition("=")[0]: each for each in answer.headers.get_list("set-cookie")}
    assert set(cookies) == {"__Host-tallygate", "__Host-tallygate-csrf", "__Host-tallygate-device"}
    for text in cookies.values():
        assert "Secure" in text
        assert "Path=/" in text
        assert "Domain" not in text
    assert "HttpOnly" in cookies["__Host-tallygate"]
    assert "HttpOnly" in cookies["__Host-tallygate-device"]
    assert "HttpOnly" not in cookies["__Host-tallygate-csrf"]


async def test_an_unknown_login_costs_as_much_work_as_a_known_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = await _member(world)
    passwords, store = world.administration._passwords, world.administration.store
    done: list[str] = []
    verify, find = passwords._matches, store.password

    def matches(hashed: str, password: str) -> bool:
        done.append("hash")
        return verify(hashed, password)

    async def password(user_id: str) -> str | None:
        done.append("query")
        return await find(user_id)

    await _login(world, "nobody", "warm up")
    monkeypatch.setattr(passwords, "_matches", matches)
    monkeypatch.setattr(store, "password", password)
    await _login(world, login, "wrong password")
    known = done.copy()
    done.clear()
    await _login(world, "nobody-at-all", "wrong password")

    assert known == done == ["query", "hash"]


async def test_a_personal_token_works_from_its_networks_only_and_on_every_node_until_it_is_ended(world: World) -> None:
    user = await world.user(platform="root")
    made = {}
    for name, networks in (("near", ("127.0.0.0/8",)), ("far", ("192.0.2.0/24", "2001:db8::/32"))):
        _, made[name] = await world.sessions.create_token(
            user.user_id,
            EntityId(new_id()),
            name=name,
            scopes=("read",),
            networks=networks,
            expires_at=None,
            now=now(),
        )
    near, far = (world.same(user, made[name]) for name in ("near", "far"))
    ids = {each.name: each.personal_token_id for each in await world.sessions.tokens(user.user_id)}
    async with world.client_of(application(world.api())) as other_node:
        before = await near.on(other_node).get("/me")
        refused = await far.get("/me")
        seen = await near.get("/personal-tokens")
        await world.sessions.drop_token(user.user_id, ids["near"])
        after = await near.on(other_node).get("/me")

    assert before.status_code == 200
    assert refused.status_code == 401
    assert after.status_code == 401
    used = {each["name"]: each["seen_at"] for each in seen.json()["items"]}
    assert used["near"] is not None
    assert used["far"] is None


async def test_making_and_ending_a_personal_token_are_events_without_its_secret(world: World) -> None:
    token = {"x-csrf-token": (await _login(world, await _member(world))).json()["csrf_token"]}
    body = {"name": "deploy", "scopes": ["read", "secrets"], "networks": ["192.0.2.0/24"]}
    made = (await world.client.post("/api/personal-tokens", json=body, headers=token)).json()
    wrong = await world.client.post("/api/personal-tokens", json={**body, "networks": ["x"]}, headers=token)
    await world.client.delete(f"/api/personal-tokens/{made['id']}", headers=token)

    (created,) = await world.events(PLATFORM, "personal_token.created.v1")
    (ended,) = await world.events(PLATFORM, "personal_token.ended.v1")

    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
    assert (created["personal_token_id"], created["scopes"]) == (made["id"], ["read", "secrets"])
    assert ended["personal_token_id"] == made["id"]
    assert made["secret"] not in str(created)
