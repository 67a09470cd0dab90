"""Who comes in and who does not, on an application that would let everybody in."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from retrato.errors import SettingsError
from retrato.server.doors import Accounts, Doors, accounts_for, own_names
from retrato.settings import ServerSettings

HOME = "http://127.0.0.1:7860"
JSON = {"content-type": "application/json"}


async def hello(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse(f"hello {request.state.user}")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def door(
    accounts: Mapping[str, str] = {}, *, token: str | None = None, most: int = 100, **settings: object
) -> TestClient:
    said = ServerSettings(**settings)
    app = Starlette(
        routes=[
            Route("/{path:path}", hello, methods=["GET", "POST", "PUT", "DELETE"]),
            WebSocketRoute("/{path:path}", socket),
        ]
    )
    doors = Doors(
        app,
        accounts=Accounts(accounts, token=token),
        hosts=own_names(said),
        any_address=said.listen,
        forms_at=("/upload",),
        most=most,
        most_of_forms=1000,
    )
    return TestClient(doors, base_url=HOME, follow_redirects=False)


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "127.0.0.1"])
def test_it_goes_by_its_own_names(host: str) -> None:
    assert door().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:7860",
        "192.168.0.7",
        "localhost@evil.example",
        "evil.example/127.0.0.1",
        "127.0.0.1:port",
        "",
    ],
)
def test_names_that_lead_here_from_elsewhere_are_refused(host: str) -> None:
    answer = door().get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "allow-host" in answer.json()["detail"]


def test_further_names_can_be_allowed() -> None:
    client = door(allow_host="studio.home, other.home")
    assert client.get("/", headers={"host": "studio.home:7860"}).status_code == 200
    assert client.get("/", headers={"host": "third.home"}).status_code == 421


def test_listening_goes_by_any_address_but_not_by_any_name() -> None:
    client = door(host="0.0.0.0", listen=True)
    assert client.get("/", headers={"host": "192.168.0.7:7860"}).status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:7861"},
        {"origin": "http://localhost:7860"},
        {"origin": "file://"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": HOME, "sec-fetch-site": "cross-site"},
    ],
)
def test_other_sites_change_nothing(headers: dict[str, str]) -> None:
    answer = door().post("/", headers=JSON | headers, content="{}")
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{}, {"origin": HOME}, {"origin": HOME, "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}]
)
def test_own_pages_and_programs_may(headers: dict[str, str]) -> None:
    assert door().post("/", headers=JSON | headers, content="{}").text == "hello local"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"]
)
def test_changes_are_json(method: str, kind: str) -> None:
    answer = door().request(method, "/", headers={"content-type": kind}, content="{}")
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_a_scripts_body_without_a_type_is_json_and_a_pages_is_not() -> None:
    assert door().post("/", content="{}").status_code == 200
    assert door().post("/", headers={"origin": HOME}, content="{}").status_code == 415
    assert door().post("/", headers={"sec-fetch-site": "same-origin"}, content="{}").status_code == 415


def test_changes_without_a_body_need_no_type() -> None:
    assert door().post("/").status_code == 200


def test_forms_are_for_uploads_of_own_pages_alone() -> None:
    client = door()
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/upload", headers=form | {"origin": HOME}, content="x").status_code == 200
    assert client.post("/upload", headers=form, content="x").status_code == 415
    assert client.post("/upload", headers=form | {"origin": "http://evil.example"}, content="x").status_code == 403
    assert client.post("/other", headers=form | {"origin": HOME}, content="x").status_code == 415


@pytest.mark.parametrize("kind", ["application/json", "multipart/mixed", "Multipart/Form-Datas", "text/plain", ""])
@pytest.mark.parametrize("origin", [{}, {"origin": HOME}])
def test_where_files_are_dropped_only_forms_are_taken(kind: str, origin: dict[str, str]) -> None:
    answer = door().post("/upload", headers={"content-type": kind} | origin, content=b"x" * 500)
    assert answer.status_code == 415
    assert (
        door().post("/upload", headers={"content-type": "Multipart/FORM-Data; boundary=x", "origin": HOME}).is_success
    )


def test_json_of_too_many_values_is_not_read() -> None:
    client = door(most=10_000_000)
    many = b"[" + b"[]," * 200_000
    for content in (many, iter([many[:300_000], many[300_000:]])):
        answer = client.post("/", headers=JSON, content=content)
        assert answer.status_code == 413
        assert "more than 200000 brackets, commas and quotes" in answer.text
    assert client.post("/", headers=JSON, content=b'"' + b"A" * 9_000_000 + b'"').status_code == 200


@pytest.mark.parametrize("is_told", [True, False])
def test_forms_may_be_larger_than_other_requests(is_told: bool) -> None:
    """They bring many files; a length may be told beforehand or not."""

    def answer(path: str, kind: str, length: int) -> Any:
        headers = {"content-type": kind, "origin": HOME}
        return door().post(path, headers=headers, content=b"x" * length if is_told else iter([b"x" * length]))

    form = "multipart/form-data; boundary=x"
    assert answer("/upload", form, 1000).status_code == 200
    assert answer("/upload", form, 1001).status_code == 413
    assert answer("/other", "application/json", 100).status_code == 200
    refused = answer("/other", "application/json", 101)
    assert refused.status_code == 413
    assert "--megabytes" in refused.text or not is_told


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_sockets_are_for_own_pages(origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    with pytest.raises(WebSocketDisconnect), door().websocket_connect("/ws", headers=headers):
        pass


def test_a_socket_of_an_own_page_opens() -> None:
    with door().websocket_connect("/ws", headers={"origin": HOME, "host": "127.0.0.1:7860"}):
        pass


def test_every_answer_says_what_a_browser_may_do_with_it() -> None:
    for answer in (door().get("/"), door().get("/", headers={"host": "evil.example"}), door({"ana": "x"}).get("/")):
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


# --- who is who -------------------------------------------------------------------------------------------------------


def test_strangers_stay_outside() -> None:
    client = door({"ana": "secret"})
    answer = client.get("/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert client.get("/", headers=basic("ana", "secret")).text == "hello ana"
    assert client.get("/", headers=basic("ana", "Secret")).status_code == 401
    assert client.get("/", headers=basic("rui", "secret")).status_code == 401
    assert client.get("/", headers={"authorization": "Basic ###"}).status_code == 401


def test_guessing_is_slow() -> None:
    client = door({"ana": "secret"})
    for _ in range(10):
        assert client.get("/", headers=basic("ana", "guess")).status_code == 401
    answer = client.get("/", headers=basic("ana", "secret"))
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_guessing_a_links_token_and_a_bearers_is_slow_too() -> None:
    for guess in (lambda c: c.get("/?token=guess"), lambda c: c.get("/", headers={"authorization": "Bearer guess"})):
        client = door(token="the-token")
        assert [guess(client).status_code for _ in range(12)] == [401] * 10 + [429] * 2


def test_one_persons_guesses_keep_out_nobody_else_behind_the_same_proxy() -> None:
    client = door({"ana": "secret", "rui": "other"})
    for _ in range(11):
        client.get("/", headers=basic("ana", "guess"))
    assert client.get("/", headers=basic("ana", "secret")).status_code == 429
    assert client.get("/", headers=basic("rui", "other")).text == "hello rui"


def test_an_address_that_guesses_many_names_waits_whole() -> None:
    client = door({"ana": "secret"})
    statuses = [client.get("/", headers=basic(f"name{number}", "guess")).status_code for number in range(101)]
    assert statuses == [401] * 100 + [429]
    assert client.get("/", headers=basic("ana", "secret")).status_code == 429


def test_whoever_is_inside_is_not_kept_out_by_guesses_from_the_same_address() -> None:
    client = door(token="the-token")
    client.get("/?token=the-token")
    session = dict(client.cookies)
    client.cookies.clear()
    for _ in range(11):
        client.get("/?token=guess")
        client.get("/", headers={"authorization": "Bearer guess"})
    assert client.get("/", headers={"authorization": "Bearer the-token"}).status_code == 429
    assert client.get("/?token=the-token").status_code == 429
    client.cookies.update(session)
    assert client.get("/").text == "hello local"
    assert client.get("/?token=the-token").status_code == 303


def test_a_token_is_no_guess_where_there_is_none_or_where_another_sites_page_sends_it() -> None:
    """Ten pictures on any page that somebody looks at would keep them out."""
    client = door({"ana": "secret"})
    for _ in range(11):
        assert client.get("/?token=x").status_code == 401
    assert client.get("/?token=x", headers=basic("ana", "secret")).text == "hello ana"
    client = door(token="the-token")
    for _ in range(11):
        assert client.get("/?token=x", headers={"sec-fetch-site": "cross-site"}).status_code == 401
    assert client.get("/?token=the-token", headers={"sec-fetch-site": "cross-site"}).status_code == 303


def test_wrong_links_keep_out_no_password() -> None:
    client = door(token="the-token")
    for _ in range(11):
        client.get("/?token=x")
    assert client.get("/", headers={"authorization": "Bearer the-token"}).text == "hello local"


def test_passwords_are_compared_in_constant_time_known_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("retrato.server.doors.hmac.compare_digest", compare)
    accounts = Accounts({"ana": "secret"})
    for user, password in (("ana", "secret"), ("ana", "s"), ("nobody", "secret"), ("", ""), ("ana", "x" * 100_000)):
        accounts.check(user, password)
    assert compared == [(32, 32)] * 5


def test_forgetting_the_password_is_no_guess() -> None:
    client = door({"ana": "secret"})
    for _ in range(15):
        client.get("/")
    assert client.get("/", headers=basic("ana", "secret")).status_code == 200


def test_a_link_with_the_token_becomes_a_cookie() -> None:
    client = door(token="the-token")
    answer = client.get("/page?token=the-token&tab=draw")
    assert (answer.status_code, answer.headers["location"]) == (303, "/page?tab=draw")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()  # so that a link in a mail on the web ends on the page
    assert "the-token" not in cookie
    assert client.get("/page").text == "hello local"
    assert door(token="the-token").get("/?token=wrong").status_code == 401


def test_a_link_leads_nowhere_else() -> None:
    answer = door(token="the-token").get("//evil.example/?token=the-token")
    assert not answer.headers["location"].startswith("//")


def test_the_token_can_be_sent_by_programs() -> None:
    client = door(token="the-token")
    for headers in ({"authorization": "Bearer the-token"}, basic("retrato", "the-token"), basic("ana", "the-token")):
        assert client.get("/", headers=headers).text == "hello local"
    for headers in ({"authorization": "Bearer the-tokens"}, basic("retrato", "the-tokens"), basic("the-token", "")):
        assert client.get("/", headers=headers).status_code == 401


def test_a_password_is_no_token() -> None:
    client = door({"retrato": "secret", "local": "other"})
    assert client.get("/?token=secret").status_code == 401
    assert client.get("/", headers={"authorization": "Bearer other"}).status_code == 401
    assert client.get("/", headers=basic("local", "other")).text == "hello local"


@pytest.mark.parametrize(
    "cookies", ['a={"x":1}; retrato={}', "retrato={}; a b; c=[1, 2]", 'q="a,b"; =x; retrato={}', "retrato={}"]
)
def test_a_cookie_is_found_among_odd_ones(cookies: str) -> None:
    client = door(token="the-token")
    session = client.get("/?token=the-token").cookies["retrato"]
    client.cookies.clear()
    found = client.get("/", headers={"cookie": cookies.replace("{}", session)})
    assert found.text == "hello local"
    assert client.get("/", headers={"cookie": cookies.replace("{}", "x")}).status_code == 401


def test_a_cookie_that_comes_along_from_another_site_changes_nothing() -> None:
    client = door(token="the-token")
    client.get("/?token=the-token")
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/", headers=headers).status_code == 403
        assert client.post("/", headers=JSON | headers, content="{}").status_code == 403
    assert client.post("/", headers=JSON | {"origin": HOME}, content="{}").text == "hello local"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "studio.home"])
def test_other_machines_come_in_only_where_that_was_said(host: str) -> None:
    with pytest.raises(SettingsError, match="--listen"):
        accounts_for(ServerSettings(host=host))


def test_listening_without_accounts_makes_a_token_each_time() -> None:
    accounts, token = accounts_for(ServerSettings(host="0.0.0.0", listen=True))
    assert token is not None
    assert len(token) >= 32
    assert not accounts.are_open
    assert accounts.check_token(token) == "local"
    assert accounts_for(ServerSettings(host="0.0.0.0", listen=True))[1] != token


def test_accounts_are_read_as_a1111_writes_them() -> None:
    accounts, token = accounts_for(ServerSettings(auth="ana:one, rui:t:wo"))
    assert token is None
    assert accounts.check("ana", "one") == "ana"
    assert accounts.check("rui", "t:wo") == "rui"
    assert accounts_for(ServerSettings(), "eva:three")[0].check("eva", "three") == "eva"
    with pytest.raises(SettingsError, match="USER:PASSWORD"):
        accounts_for(ServerSettings(auth="ana"))


@pytest.mark.parametrize("user", ["ana@example.com", "../ana", "con", "a|b"])
def test_who_is_called_what_no_folder_can_be_is_refused_at_once(user: str) -> None:
    """Later each of their requests about photos would be, as these lie in a folder of the user's name."""
    with pytest.raises(SettingsError, match=r"auth: .* cannot be a name"):
        accounts_for(ServerSettings(), f"rui:1,{user}:secret")
    with pytest.raises(SettingsError, match=r"auth: .* cannot be a name"):
        Accounts({"rui": "1", user: "secret"})


def test_two_accounts_never_share_a_name_or_a_folder() -> None:
    """Windows and macOS take `Ana` and `ana` for one folder: each would see the other's photos."""
    with pytest.raises(SettingsError, match="ana and Ana would have one folder"):
        accounts_for(ServerSettings(auth="ana:one,rui:two,Ana:three"))
    with pytest.raises(SettingsError, match="auth holds ana twice"):
        accounts_for(ServerSettings(auth="ana:one,ana:two"))


def test_on_this_machine_alone_nobody_is_asked() -> None:
    assert accounts_for(ServerSettings())[0].are_open
