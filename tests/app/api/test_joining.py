"""Signing up, invitations and forgotten passwords, with a mail server that keeps what it is given."""

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from adapters.clock import now
from adapters.postgres.row_security import owner_of
from adapters.smtp import MailError
from app.links import Links
from app.mailer import ATTEMPTS_MAX, Mailer
from domain.ids import PLATFORM, TenantId
from tests.app.api.conftest import Monotonic, Person, World, shared_application

ADDRESS = "ada@example.com"
PASSWORD = "a long enough password"


class Mailbox:
    """A mail server that keeps everything, unless it is broken."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []
        self.broken = False

    async def send(self, recipient: str, subject: str, text: str) -> None:
        if self.broken:
            raise MailError("the mail server is not there")
        self.mails.append((recipient, subject, text))

    @property
    def secret(self) -> str:
        """What the last mail's link has after its #."""
        found = re.search(r"https://llm\.example/accept#(\S+)", self.mails[-1][2])
        assert found is not None
        return found[1]


class Clock:
    """A clock that tests put forward."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return now() + self.ahead


class Post:
    """Visitors, and the mails that they cause."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.client = client
        self.box = Mailbox()
        self.clock = Clock()
        self.links = Links(owner_of(world.pool))
        self.mailer = Mailer(
            self.links, world.administration, self.box, base_url="https://llm.example/", clock=self.clock
        )

    async def ask(self, path: str, **body: Any) -> httpx.Response:
        self.client.cookies.clear()
        return await self.client.post(f"/api{path}", json=body)

    async def log_in(self, login: str, password: str = PASSWORD) -> int:
        return (await self.ask("/login", login=login, password=password)).status_code


@pytest.fixture
async def post(world: World) -> AsyncIterator[Post]:
    async with world.client_of(shared_application(world.api(sends_mail=True))) as client:
        yield Post(world, client)


async def _open_sign_up(root: Person) -> None:
    answer = await root.post("/settings", {"name": "sign_up_open", "value": True})
    assert answer.status_code == 201, answer.text


async def _tenant_of(world: World, login: str) -> TenantId:
    user = await world.administration.find("user", login)
    assert user is not None
    place = user.entity.memberships[-1]
    tenant: TenantId = place.tenant_id
    return tenant


async def test_who_signs_up_gets_a_tenant_of_their_own_once_the_address_is_shown_to_be_theirs(
    world: World, root: Person, post: Post
) -> None:
    closed = await post.ask("/sign-up", email=ADDRESS)
    await _open_sign_up(root)

    asked = await post.ask("/sign-up", email=ADDRESS)
    before = await world.administration.find("user", ADDRESS)
    assert await post.mailer.send_due() == 1
    read = await post.ask("/links/read", secret=post.box.secret)
    short = await post.ask("/links/accept", secret=post.box.secret, password="short")
    done = await post.ask("/links/accept", secret=post.box.secret, password=PASSWORD, name="Ada", tenant_name="Ada Ltd")
    again = await post.ask("/links/accept", secret=post.box.secret, password="another password")

    assert (closed.status_code, closed.json()["code"]) == (404, "not_found")
    assert (asked.status_code, before) == (202, None)
    assert (read.json()["kind"], read.json()["login"], read.json()["has_account"]) == ("sign_up", ADDRESS, False)
    assert (short.status_code, short.json()["code"]) == (422, "password_refused")
    assert (done.status_code, again.status_code) == (204, 404)
    assert await post.log_in(ADDRESS) == 200
    me = (await post.client.get("/api/me")).json()
    tenant = await _tenant_of(world, ADDRESS)
    assert [place["role"] for place in me["user"]["memberships"]] == ["owner"]
    assert me["user"]["must_change_password"] is False
    assert (await post.client.get(f"/api/tenants/{tenant}")).json()["name"] == "Ada Ltd"


async def test_a_known_and_an_unknown_login_are_answered_alike_and_only_the_known_one_gets_a_mail(
    world: World, root: Person, post: Post
) -> None:
    await _open_sign_up(root)
    tenant = await world.tenant()
    owner = await world.person(tenants={tenant: "owner"})
    invited = await owner.on(post.client).post(f"/tenants/{tenant}/invitations", {"login": ADDRESS})
    await post.mailer.send_due()
    await post.ask("/links/accept", secret=post.box.secret, password=PASSWORD)
    post.box.mails.clear()

    answers = [
        await post.ask("/password-reset", login=ADDRESS),
        await post.ask("/password-reset", login="nobody@example.com"),
        await post.ask("/sign-up", email=ADDRESS),
    ]
    await post.mailer.send_due()

    assert invited.json()["secret"] is None
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.content for answer in answers}) == 1
    # Who has an account and asks for one is told so by mail, where nobody else reads it.
    assert [recipient for recipient, _, _ in post.box.mails] == [ADDRESS, ADDRESS]
    assert all("set a new password" in text for _, _, text in post.box.mails)


async def test_a_forgotten_password_is_replaced_once_and_ends_every_session(world: World, post: Post) -> None:
    user = await world.user()
    await world.administration.set_password(user.user_id, "the old password", actor="system:test")
    assert await post.log_in(user.login, "the old password") == 200
    cookies = dict(post.client.cookies)
    await post.ask("/password-reset", login=user.login)
    await post.mailer.send_due()

    secret = post.box.secret
    both = await asyncio.gather(*(post.ask("/links/accept", secret=secret, password=PASSWORD) for _ in range(2)))

    assert sorted(answer.status_code for answer in both) == [204, 404]
    post.client.cookies.clear()
    post.client.cookies.update(cookies)
    assert (await post.client.get("/api/me")).status_code == 401
    assert await post.log_in(user.login, "the old password") == 401
    assert await post.log_in(user.login) == 200
    kept = await world.pool.fetch("SELECT * FROM admin.link")
    logged = await world.pool.fetch("SELECT data FROM ledger.event")
    assert secret not in str([dict(row) for row in kept])
    assert secret.encode() not in b"".join(row["data"] for row in logged)
    (sent,) = await world.events(PLATFORM, "mail.sent.v1")
    assert (sent["kind"], sent["recipient"]) == ("password_reset", user.login)


async def test_a_mail_waits_for_its_server_and_is_lost_with_no_process(world: World, post: Post) -> None:
    user = await world.user()
    await post.ask("/password-reset", login=user.login)
    post.box.broken = True
    attempts = 0
    for _ in range(3):
        assert await post.mailer.send_due() == 0
        attempts += 1
        post.clock.ahead += dt.timedelta(hours=7)
    # A process that took it and died leaves it to the next one.
    taken = await post.links.take(
        now=post.clock(), retry_at=post.clock() + dt.timedelta(minutes=5), attempts_max=ATTEMPTS_MAX
    )
    assert taken is not None
    post.box.broken = False
    assert await post.mailer.send_due() == 0
    post.clock.ahead += dt.timedelta(minutes=6)

    assert await post.mailer.send_due() == 1
    assert await post.mailer.send_due() == 0
    assert taken.attempts == attempts + 1


async def test_an_invitation_is_accepted_by_a_new_person_or_with_the_password_of_a_known_one(
    world: World, post: Post
) -> None:
    tenant = await world.tenant("Acme")
    owner = (await world.person(tenants={tenant: "owner"})).on(post.client)
    path = f"/tenants/{tenant}/invitations"
    known = await world.user()
    await world.administration.set_password(known.user_id, PASSWORD, actor="system:test")

    fresh = (await owner.post(path, {"login": "grace", "role": "billing"})).json()
    other = (await owner.post(path, {"login": known.login, "role": "viewer"})).json()
    listed = (await owner.get(path)).json()["items"]
    told = (await post.ask("/links/read", secret=fresh["secret"])).json()
    wrong = await post.ask("/links/accept", secret=other["secret"], password="not this password")
    done = [
        (await post.ask("/links/accept", secret=each["secret"], password=PASSWORD)).status_code
        for each in (fresh, other)
    ]

    assert {each["login"] for each in listed} == {"grace", known.login}
    assert all("secret" not in each for each in listed)
    assert (told["tenant_name"], told["has_account"]) == ("Acme", False)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert done == [204, 204]
    members = {each["login"]: each["role"] for each in (await owner.get(f"/tenants/{tenant}/members")).json()["items"]}
    assert (members["grace"], members[known.login]) == ("billing", "viewer")
    assert (await owner.get(path)).json()["items"] == []
    assert [each["how"] for each in await world.events(tenant, "invitation.ended.v1")] == ["accepted", "accepted"]


async def test_nobody_invites_into_a_higher_role_than_they_could_give_nor_after_they_have_left(
    world: World, root: Person, post: Post
) -> None:
    tenant, elsewhere = await world.tenant(), await world.tenant()
    admin = (await world.person(tenants={tenant: "admin"})).on(post.client)
    path = f"/tenants/{tenant}/invitations"

    too_high = await admin.post(path, {"login": "grace", "role": "owner"})
    foreign = await admin.post(f"/tenants/{elsewhere}/invitations", {"login": "grace"})
    made = (await admin.post(path, {"login": "grace"})).json()
    withdrawn = (await admin.post(path, {"login": "hedy"})).json()
    gone = await admin.delete(f"{path}/{withdrawn['id']}")
    twice = await admin.delete(f"{path}/{withdrawn['id']}")
    await root.patch(f"/users/{admin.user.user_id}", {"disabled": True}, 1)

    assert (too_high.status_code, foreign.status_code) == (403, 404)
    assert (gone.status_code, twice.status_code) == (204, 404)
    for each in (made, withdrawn):
        answer = await post.ask("/links/accept", secret=each["secret"], password=PASSWORD)
        assert answer.status_code == 404
    assert await world.administration.find("user", "grace") is None


async def test_a_link_is_good_for_its_time_only_and_mails_to_one_login_are_few(
    world: World, post: Post, monotonic: Monotonic
) -> None:
    user = await world.user()
    made = await post.links.make(
        user.user_id, "password_reset", user.login, made_by="system:test", now=now() - dt.timedelta(hours=1)
    )
    codes = []
    for _ in range(7):
        monotonic.seconds += 1
        codes.append((await post.ask("/password-reset", login=user.login)).status_code)

    assert (await post.ask("/links/read", secret=made)).status_code == 404
    assert codes == [202] * 5 + [429] * 2


async def test_without_a_mail_server_nobody_is_promised_a_mail(world: World, root: Person) -> None:
    await _open_sign_up(root)
    for path, body in (("/sign-up", {"email": ADDRESS}), ("/password-reset", {"login": "somebody"})):
        answer = await world.client.post(f"/api{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "mail_off")
