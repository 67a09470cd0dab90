"""Who comes in: names this server goes by, where requests come from, who sends them, and how large they may be.

Stands before everything else that is served, the page included. Knows nothing of what is behind it.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrato.embeddings import check_name
from retrato.embeddings.embedding import name_key
from retrato.errors import EmbeddingError, SettingsError
from retrato.jobs import LOCAL
from retrato.server.bodies import FORM, counted, kind_of
from retrato.server.problems import TOO_LARGE, problem
from retrato.settings import ServerSettings

READING = ("GET", "HEAD", "OPTIONS")
FAILURES_PER_MINUTE = 10  # of one name at one address
FAILURES_OF_ADDRESS = 100  # a minute, whatever the names
LINK = None  # whom a link's token speaks for: nobody by name
COOKIE = "retrato"

# No script, style, frame or picture from anywhere else, and this server in nobody's frame.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Accounts:
    """Who may come in; with nobody in it and no token, everybody who reaches the door may.

    Whoever has the token is LOCAL, as is everybody where nobody is asked: it opens one person's server to their other
    devices. Passwords are compared in constant time. After ten wrong ones for a name within a minute that name has to
    wait at that address, and after a hundred every name there: many people may come through one proxy. Raises
    SettingsError for somebody called what no folder can be, as everybody's photos lie in one, and for two who would
    share it.
    """

    def __init__(self, passwords: Mapping[str, str], *, token: str | None = None) -> None:
        self.users = frozenset(passwords)
        for user in passwords:
            try:
                check_name(user)
            except EmbeddingError as error:
                raise SettingsError(f"auth: {error}") from None
        known: dict[str, str] = {}
        for user in passwords:
            if (other := known.setdefault(name_key(user), user)) != user:
                raise SettingsError(
                    f"auth: {other} and {user} would have one folder where capital letters do not count (Windows, "
                    "macOS): give one of them another name"
                )
        self._digests = {user: _digest(password) for user, password in passwords.items()}
        self._token = None if token is None else _digest(token)
        self._sessions: dict[str, str] = {}
        self._failures: dict[str | tuple[str, str | None], deque[float]] = {}

    @property
    def are_open(self) -> bool:
        """Says whether nobody is asked who they are."""
        return not self._digests and self._token is None

    @property
    def have_token(self) -> bool:
        """Says whether there is a token that a link can bring."""
        return self._token is not None

    def named(self, headers: Headers) -> str:
        """Gives the name that a request sends with its password, empty where a token is asked for or none is sent."""
        sent = _basic(headers)
        return sent[0] if sent and self._token is None else ""

    def user(self, headers: Headers) -> str | None:
        """Gives whose password or token a request sends, None for somebody unknown."""
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.check_token(secret.strip())
        if (sent := _basic(headers)) is None:
            return None
        return self.check(*sent) if self._token is None else self.check_token(sent[1])

    def session_user(self, headers: Headers) -> str | None:
        """Gives whose session a request's cookie is, None where it has none that holds."""
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        return self._sessions.get(_digest(cookie).hex()) if cookie else None

    def check(self, user: str, password: str) -> str | None:
        """Gives `user` if that is the password; takes the same time whatever is wrong."""
        known = self._digests.get(user, _digest(secrets.token_hex()))
        return user if hmac.compare_digest(known, _digest(password)) else None

    def check_token(self, token: str) -> str | None:
        """Gives LOCAL if that is the token; takes the same time whatever is wrong."""
        known = self._token or _digest(secrets.token_hex())
        return LOCAL if hmac.compare_digest(known, _digest(token)) else None

    def begin_session(self, user: str) -> str:
        """Gives what a browser may show instead of a password until the server ends."""
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session).hex()] = user
        return session

    def wait_seconds(self, address: str, name: str | None) -> int:
        """Gives how long a name with too many wrong passwords has to wait at an address, 0 for the others."""
        now, both = time.monotonic(), (self._failures.get((address, name)), self._failures.get(address))
        full = [failures for failures in both if failures and len(failures) == failures.maxlen]
        return max([0, *(int(60 - (now - failures[0])) + 1 for failures in full)])

    def failed(self, address: str, name: str | None) -> None:
        """Notes a wrong password, or the wrong token of a LINK."""
        now = time.monotonic()
        for known in [each for each, failures in self._failures.items() if now - failures[-1] > 60]:
            del self._failures[known]
        self._failures.setdefault((address, name), deque(maxlen=FAILURES_PER_MINUTE)).append(now)
        self._failures.setdefault(address, deque(maxlen=FAILURES_OF_ADDRESS)).append(now)


class Doors:
    """ASGI middleware that lets in who and what may come in, and gives every response its safety headers.

    Puts the user's name into `request.state.user`. `forms_at` are the paths where a browser's form data is taken
    (uploads of the page), and only from pages of this server; what lies below `lasting` never changes, and browsers may
    keep it. A request may have `most` bytes, one with form data `most_of_forms`, as it brings many files.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        accounts: Accounts,
        hosts: Iterable[str],
        any_address: bool = False,
        forms_at: tuple[str, ...] = (),
        lasting: tuple[str, ...] = (),
        most: int = 64_000_000,
        most_of_forms: int = 64_000_000,
    ) -> None:
        self._app = RequestBodyLimitMiddleware(app, most)
        self._forms = RequestBodyLimitMiddleware(app, most_of_forms)
        self._most, self._most_of_forms = most, most_of_forms
        self._accounts = accounts
        self._hosts = frozenset(host.casefold() for host in hosts)
        self._any_address = any_address
        self._forms_at = forms_at
        self._lasting = lasting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with the reason why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            refusal = self._identify(scope, headers)
        if refusal is None:
            app, come = (self._forms, receive) if self._takes_forms(scope) else (self._app, counted(receive))
            await app(scope, come, self._with_headers(send, scope))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, self._with_headers(send, scope))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Gives the answer to a request that may not come in, whoever sent it."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return problem(
                421,
                "this server does not go by that name: use its address, or start it with --allow-host",
            )
        is_socket = scope["type"] == "websocket"
        if not is_socket and scope["method"] in READING:
            return None
        origin = headers.get("origin")
        if origin is not None and not self._is_same(origin, hosts[0]):
            return problem(403, "another site's page may not change anything here: use this server's own page")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return problem(403, "another site's page may not change anything here: use this server's own page")
        if is_socket:
            return None if origin else problem(403, "a socket must say which page opened it")
        length = headers.get("content-length", "0")
        kind = kind_of(headers)
        has_body = length != "0" or "transfer-encoding" in headers
        is_no_page = origin is None and "sec-fetch-site" not in headers  # scripts may leave out what the body is
        kind = kind or ("application/json" if is_no_page else "")
        wanted, most = (FORM, self._most_of_forms) if self._takes_forms(scope) else ("application/json", self._most)
        if (has_body or kind) and kind != wanted:
            return problem(415, f"the body is {kind[:80] or 'of no type'!r}: send {wanted}")
        if wanted == FORM and origin is None:
            return problem(415, "files are dropped on the page: send pictures in application/json, see /docs")
        if length.isdecimal() and float(length) > most:  # whoever says so beforehand need not send it
            return problem(413, TOO_LARGE)
        return None

    def _takes_forms(self, scope: Scope) -> bool:
        return bool(self._forms_at) and scope["path"].startswith(self._forms_at)

    def _identify(self, scope: Scope, headers: Headers) -> Response | None:
        """Puts the user into the request, or gives the answer to somebody unknown."""
        state = scope.setdefault("state", {})
        if self._accounts.are_open:
            state["user"] = LOCAL
            return None
        address = _address(scope)
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        may_enter = self._accounts.have_token and scope["type"] == "http" and scope["method"] == "GET"
        token = query.pop("token", [""])[0] if may_enter else ""
        user, name = self._accounts.session_user(headers), LINK if token else self._accounts.named(headers)
        # Whoever is inside already is not kept out by what others send from the same address.
        if user is None and (seconds := self._accounts.wait_seconds(address, name)):
            return problem(429, f"too many wrong passwords: wait {seconds} s", headers={"retry-after": str(seconds)})
        if token:
            return self._enter(scope, headers, token, query)
        state["user"] = user or self._accounts.user(headers)
        if state["user"] is not None:
            return None
        if "authorization" in headers:
            self._accounts.failed(address, name)
        return problem(
            401,
            "this server lets in only those it knows: send a name and password (HTTP Basic), or the token it printed",
            headers={"www-authenticate": 'Basic realm="retrato", charset="UTF-8"'},
        )

    def _enter(self, scope: Scope, headers: Headers, token: str, query: Mapping[str, list[str]]) -> Response:
        """Trades the token of a link for a cookie, and takes it out of the address bar."""
        user = self._accounts.check_token(token)
        if user is None:
            if headers.get("sec-fetch-site") != "cross-site":  # pictures on any page could ask for such addresses
                self._accounts.failed(_address(scope), LINK)
            return problem(401, "the token is not the one that this server printed: copy the whole link")
        rest = urlencode(query, doseq=True)
        path = "/" + scope["path"].lstrip("/\\")  # `//elsewhere` would lead to another site
        response = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        session = self._accounts.begin_session(user)
        # Not `strict`: a browser that follows the link out of a mail would leave the cookie out of its next request.
        # With `lax` it comes along where another site links here; what changes anything `_refusal` looks at.
        response.set_cookie(COOKIE, session, httponly=True, samesite="lax", secure=scope.get("scheme") == "https")
        return response

    def _is_ours(self, host: str) -> bool:
        name = _host_name(host)
        if name is None:
            return False
        return name in self._hosts or (self._any_address and _is_address(name))

    def _is_same(self, origin: str, host: str) -> bool:
        """Says whether a page is this server's: same name and port as the request (so `null` is not)."""
        return urlsplit(origin).netloc.casefold() == host.casefold() and origin.startswith(("http://", "https://"))

    def _with_headers(self, send: Send, scope: Scope) -> Send:
        kept = "private, max-age=31536000, immutable" if scope["path"].startswith(self._lasting) else "no-store"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", kept if message["status"] == 200 else "no-store")
            await send(message)

        return sending


def accounts_for(settings: ServerSettings, auth: str | None = None) -> tuple[Accounts, str | None]:
    """Gives who may come in, and the token that was made if others may come in but nobody was named.

    `auth` (from the environment) holds where the settings say nothing. Raises SettingsError for a host other than this
    machine's own without `listen`, and for accounts that are none.
    """
    if not settings.listen and not is_loopback(settings.host):
        raise SettingsError(f"host is {settings.host}, where other machines may come in: add --listen if they should")
    said = settings.auth or auth
    if said:
        passwords = {}
        for account in said.split(","):
            user, _, password = account.strip().partition(":")
            if not user or not password:
                raise SettingsError("auth holds an account without a name or a password: write USER:PASSWORD")
            if user in passwords:
                raise SettingsError(f"auth holds {user} twice: give each account one password")
            passwords[user] = password
        return Accounts(passwords), None
    if not settings.listen:
        return Accounts({}), None
    token = secrets.token_urlsafe(24)
    return Accounts({}, token=token), token


def own_names(settings: ServerSettings) -> set[str]:
    """Gives the names that this server goes by."""
    names = {"localhost", "127.0.0.1", "::1", settings.host}
    if settings.listen:
        names |= {socket.gethostname(), f"{socket.gethostname()}.local"}
    return names | {name.strip() for name in (settings.allow_host or "").split(",") if name.strip()}


def is_loopback(host: str) -> bool:
    """Says whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _host_name(host: str) -> str | None:
    """Gives the name in a Host header without the port, None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("?",))[0])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _basic(headers: Headers) -> tuple[str, str] | None:
    """Gives the name and the password of HTTP Basic, None where it is not sent or damaged."""
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, found, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if found else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
