"""Logs of services, as they look after weeks of use."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Literal

from sandbox.models import Company
from sandbox.variants.drbg import Drbg
from sandbox.variants.generators import words
from sandbox.variants.generators.rhythm import (
    CLOCK,
    DUTY,
    STEADY,
    Piece,
    Rhythm,
    Span,
    instants,
    pieces,
)

Stamp = Literal["iso", "bsd"]

# After how many minutes the monitoring asks again, so that its lines stay a quarter of a log.
_INTERVALS = (1, 2, 5, 10, 15, 30, 60, 240, 1440)
_ACCESS_STATUS = {"GET": 200, "POST": 302}


def nginx_access(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    site: str = "",
    paths: list[str] | None = None,
    subnets: list[str] | None = None,
    clients: int = 30,
    errors: int = 2,
    outside: int = 0,
    probe: str = "10.20.20.15",
) -> str:
    """An access log in nginx's `combined` format.

    site      the name in referrers, by default intranet.<domain>
    paths     pages, the more often asked the earlier they stand
    subnets   where the clients sit, by default the company's sites
    clients   how many there are
    errors    per cent of answers that are 404, 403, 500 or 502
    outside   per cent of lines by visitors from outside, a third of them scanners
    probe     the monitoring's address, which asks for / at every whole minute (in a short log
              less often: its lines are a quarter at most); empty for none
    """
    pages = paths or words.PAGES
    ranked = [page for rank, page in enumerate(pages) for _ in range(1 + 24 // (rank + 1))]
    people = words.clients(rng, company, subnets or [], clients)
    lines = _AccessLines(ranked, people, f"https://{site or f'intranet.{company.domain}'}/")
    lines.errors, lines.outside = errors, outside
    probes, every = _probes(span) if probe else (0, 1)
    traffic = Span(span.start, span.end, span.count - probes)
    written: list[str] = []
    for piece in pieces(rng, traffic):
        head = piece.begin.strftime("%d/%b/%Y:%H:")
        zone = piece.begin.strftime(" %z")
        drawn = rng.words(len(piece.seconds))
        found = [
            (second, lines.line(f"{head}{CLOCK[second]}{zone}", word))
            for second, word in zip(piece.seconds, drawn, strict=True)
        ]
        if probe:
            due = _due(piece, span, every)
            found += [
                (second, lines.probe(probe, f"{head}{CLOCK[second]}{zone}")) for second in due
            ]
            found.sort(key=itemgetter(0))
        written += map(itemgetter(1), found)
    return "".join(written)


def _probes(span: Span) -> tuple[int, int]:
    """How many probes there are, and every how many minutes."""
    first, last = _minutes(span)
    for every in _INTERVALS:
        count = max(0, last // every - (first - 1) // every)
        if count * 4 <= span.count:
            return count, every
    return 0, 1 << 40


def _minutes(span: Span) -> tuple[int, int]:
    """The first and the last whole minute within the span, since the epoch."""
    start, end = int(span.start.timestamp()), int(span.end.timestamp())
    return -(-start // 60), (end - 1) // 60


def _due(piece: Piece, span: Span, every: int) -> list[int]:
    """The seconds after the hour at which probes come within one piece."""
    first, last = _minutes(span)
    epoch = int(piece.begin.timestamp()) // 60
    begin, end = max(epoch, first), min(epoch + piece.minutes - 1, last)
    due = range(-(-begin // every) * every, end + 1, every)
    return [(piece.begin.minute + minute - epoch) * 60 for minute in due]


class _AccessLines:
    """Lines of an access log, each made from one random number."""

    errors = 0
    outside = 0

    def __init__(self, pages: list[str], people: list[str], referrer: str) -> None:
        self.pages, self.people, self.referrer = pages, people, referrer
        self.agents = [  # somebody's browser does not change between requests
            words.AGENTS[index * 7 % 11 % len(words.AGENTS)] for index in range(len(people))
        ]

    def line(self, stamp: str, word: int) -> str:
        word, kind = divmod(word, 100)
        if kind < self.outside and word % 3 == 0:
            return self._scanner(stamp, word // 3)
        word, who = divmod(word, len(self.people))
        word, page = divmod(word, len(self.pages))
        word, luck = divmod(word, 100)
        word, size = divmod(word, 40000)
        client = words.outsider(word) if kind < self.outside else self.people[who]
        path = self.pages[page]
        method = "POST" if path.startswith("/forms") and luck > 60 else "GET"
        status = _ACCESS_STATUS[method]
        if luck < self.errors:
            status = (404, 404, 500, 404, 403, 502)[size % 6]
        elif path.startswith("/assets") and size % 3 == 0:
            status = 304
        sent = 0 if status == 304 else 153 + size % 900 if status >= 400 else 400 + size
        referrer = self.referrer if size % 2 else "-"
        return (
            f'{client} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {sent} "{referrer}"'
            f' "{self.agents[who]}"\n'
        )

    def _scanner(self, stamp: str, word: int) -> str:
        word, path = divmod(word, len(words.PROBED))
        word, agent = divmod(word, len(words.SCANNER_AGENTS))
        return (
            f'{words.outsider(word % 61)} - - [{stamp}] "GET {words.PROBED[path]} HTTP/1.1" 404 153'
            f' "-" "{words.SCANNER_AGENTS[agent]}"\n'
        )

    def probe(self, address: str, stamp: str) -> str:
        return f'{address} - - [{stamp}] "GET / HTTP/1.1" 200 5120 "-" "check_http/v2.4.0"\n'


def app(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    service: str = "orders",
    paths: list[str] | None = None,
    errors: int = 1,
    users: int = 12,
) -> str:
    """A service's own log, one `key=value` line a request.

    service   its name
    paths     what is asked of it, the more often the earlier they stand
    errors    per cent of lines with level=error and a reason
    users     how many of the company's people use it
    """
    asked = paths or ["/orders", "/orders/new", "/customers", "/stock", "/invoices", "/health"]
    ranked = [path for rank, path in enumerate(asked) for _ in range(1 + 12 // (rank + 1))]
    logins = [one.login for one in company.people]
    logins = rng.sample(logins, min(users, len(logins)))
    reasons = ("upstream timed out", "deadlock detected, retried", "connection reset by peer")
    written: list[str] = []
    for piece in pieces(rng, span):
        head, zone = piece.begin.strftime("%Y-%m-%dT%H:"), piece.begin.isoformat()[-6:]
        drawn = rng.words(len(piece.seconds))
        for second, word in zip(piece.seconds, drawn, strict=True):
            word, milli = divmod(word, 1000)
            word, luck = divmod(word, 100)
            word, path = divmod(word, len(ranked))
            word, who = divmod(word, len(logins))
            failed = luck < errors
            level, status = ("error", 503) if failed else ("info", 200)
            reason = f' reason="{reasons[milli % 3]}"' if failed else ""
            written.append(
                f"{head}{CLOCK[second]}.{milli:03d}{zone} level={level} service={service}"
                f" request={word & 0xFFFFFFFF:08x} user={logins[who]} path={ranked[path]}"
                f" status={status} duration_ms={3 + (word >> 32) % 180 + 900 * failed}{reason}\n"
            )
    return "".join(written)


def sshd_auth(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    host: str = "gate",
    users: list[str] | None = None,
    subnets: list[str] | None = None,
    scanners: int = 30,
    monitoring: str = "10.20.20.15",
    stamp: Stamp = "iso",
) -> str:
    """/var/log/auth.log of a machine with sshd: logins, typing errors, scanners.

    host        the machine's name
    users       logins, by default those of the department `it`
    subnets     where they sit, by default the company's sites
    scanners    per cent of events that are strangers from outside trying names
    monitoring  the address from which `monitor` logs in to look; empty for none
    stamp       `iso` as current systems write it, or `bsd`
    """
    logins = users or [one.login for one in company.people if one.department == "it"]
    desks = words.clients(rng, company, subnets or [], max(1, len(logins)))
    keys = [base64.b64encode(rng.bytes(32)).decode().rstrip("=") for _ in [*logins, "monitor"]]

    def make(word: int) -> list[str]:
        word, kind = divmod(word, 100)
        word, port = divmod(word, 28000)
        if kind < scanners:
            return _stranger(word, 32768 + port)
        if monitoring and kind > 85:
            return _login("monitor", 990, monitoring, 32768 + port, keys[-1])
        word, who = divmod(word, len(logins))
        lines = _login(logins[who], 1001 + who, desks[who], 32768 + port, keys[who])
        if word % 9 == 0:
            return [f"Failed password for {logins[who]} from {desks[who]} port {port + 9} ssh2"]
        return lines

    return _event_log(rng, span, host, "sshd-session", make, stamp)


def _login(user: str, uid: int, address: str, port: int, key: str) -> list[str]:
    place = f"{address} port {port}"
    return [
        f"Accepted publickey for {user} from {place} ssh2: ED25519 SHA256:{key}",
        f"pam_unix(sshd:session): session opened for user {user}(uid={uid}) by {user}(uid=0)",
        f"Disconnected from user {user} {place}",
        f"pam_unix(sshd:session): session closed for user {user}",
    ]


def _stranger(word: int, port: int) -> list[str]:
    word, name = divmod(word, len(words.SCANNED_USERS))
    user, address = words.SCANNED_USERS[name], words.outsider(word % 97)
    if user in ("root", "backup", "www"):
        place = f"{user} {address} port {port}"
        return [
            f"Failed password for {user} from {address} port {port} ssh2",
            f"Connection closed by authenticating user {place} [preauth]",
        ]
    return [
        f"Invalid user {user} from {address} port {port}",
        f"Failed password for invalid user {user} from {address} port {port} ssh2",
        f"Connection closed by invalid user {user} {address} port {port} [preauth]",
    ]


def syslog(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    host: str = "server",
    services: list[str] | None = None,
    stamp: Stamp = "iso",
) -> str:
    """/var/log/syslog of a quiet machine: timers, cron, and what its services mention.

    host      the machine's name
    services  units that are mentioned beside the system's own
    stamp     `iso` as current systems write it, or `bsd`
    """
    timers = ("apt-daily", "logrotate", "man-db", "fstrim", "dpkg-db-backup", "systemd-tmpfiles")
    units = [*timers, *(services or [])]

    def make(word: int) -> list[str]:
        word, kind = divmod(word, 3)
        word, which = divmod(word, len(units))
        unit, spent = f"{units[which]}.service", 40 + word % 700
        if kind == 0:
            job = "(root) CMD (cd / && run-parts --report /etc/cron.hourly)"
            return [f"\0CRON[{900 + word % 60000}]: {job}"]
        if units[which] not in timers:
            said = ("reloaded its settings", "rotated its log", "checked its queue: empty")
            return [f"\0{units[which]}[{700 + which}]: {said[word % 3]}"]
        return [
            f"Starting {unit}...",
            f"{unit}: Deactivated successfully.",
            f"Finished {unit}.",
            f"{unit}: Consumed {spent}ms CPU time.",
        ]

    return _event_log(rng, span, host, "systemd", make, stamp, rhythm=STEADY)


def _event_log(
    rng: Drbg,
    span: Span,
    host: str,
    program: str,
    make: Callable[[int], list[str]],
    stamp: Stamp,
    rhythm: Rhythm = DUTY,
) -> str:
    """Events of some lines each, spread over the span; exactly `span.count` lines in order."""
    events: list[list[str]] = []
    left = span.count
    while left > 0:
        events.append(make(rng.words(1)[0])[:left])
        left -= len(events[-1])
    whens = instants(rng, Span(span.start, span.end, len(events)), rhythm)
    lines: list[tuple[float, int, str]] = []
    last = span.end - timedelta(seconds=1)
    for number, (when, event) in enumerate(zip(whens, events, strict=True)):
        word = rng.words(1)[0]
        pid = 1 if program == "systemd" else 600 + (number * 3 + word % 3) % 60000
        for index, text in enumerate(event):
            pause = (word >> 8 * index) % (2400 if index == 2 else 3) if index else 0
            micro = 1000 + (word >> 4 * index) % (40000 if index else 900000)
            when += timedelta(seconds=pause, microseconds=micro)
            when = min(when, last + timedelta(milliseconds=5 * index))
            said = text[1:] if text.startswith("\0") else f"{program}[{pid}]: {text}"
            lines.append((when.timestamp(), len(lines), f"{_stamped(when, stamp)} {host} {said}\n"))
    lines.sort(key=itemgetter(0, 1))
    return "".join(line for _, _, line in lines)


def _stamped(when: datetime, stamp: Stamp) -> str:
    if stamp == "bsd":
        return f"{when:%b} {when.day:2d} {when:%H:%M:%S}"
    return when.isoformat(timespec="microseconds")
