"""Logs and tables: plausible, of their time, and the same for ever."""

from __future__ import annotations

import hashlib
import inspect
import ipaddress
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import scenarios
from sandbox.errors import ContentError
from sandbox.models import Company
from sandbox.paths import ScenarioFiles
from sandbox.variants import generators
from sandbox.variants.drbg import Drbg
from sandbox.variants.generators.rhythm import Span, instants, pieces
from sandbox.variants.generators.words import OUTSIDE

CONTENT = Path(__file__).parents[1] / "data" / "content"
COMPANY = scenarios.load_company(ScenarioFiles(CONTENT, "linux/sample"))
ZONE = ZoneInfo("Europe/Amsterdam")
END = datetime(2026, 3, 6, 15, 40, tzinfo=ZONE)  # a Friday
LOGS = ("nginx-access", "sshd-auth", "app", "syslog")
TABLES = tuple(name for name in generators.GENERATORS if name not in LOGS)


def make(
    name: str,
    count: int = 500,
    *,
    start: datetime = END - timedelta(days=14),
    end: datetime = END,
    key: bytes = b"key",
    **options: Any,
) -> Any:
    return generators.generate(
        name,
        Drbg(key, name),
        start=start,
        end=end,
        count=count,
        options=options,
        company=COMPANY,
    )


def times(name: str, text: str) -> list[datetime]:
    """The instants of a log's lines."""
    if name == "nginx-access":
        found = re.findall(r"\[(.*?)\]", text)
        return [datetime.strptime(one, "%d/%b/%Y:%H:%M:%S %z") for one in found]
    return [datetime.fromisoformat(line.split(" ", 1)[0]) for line in text.splitlines()]


def clients(text: str) -> list[str]:
    return [line.split(" ", 1)[0] for line in text.splitlines()]


# --- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", generators.GENERATORS)
@pytest.mark.parametrize("count", [1, 7, 500])
def test_there_are_as_many_as_were_asked_for(name: str, count: int) -> None:
    made = make(name, count)

    assert len(made.splitlines() if isinstance(made, str) else made) == count


@pytest.mark.parametrize("name", generators.GENERATORS)
def test_the_same_key_gives_the_same(name: str) -> None:
    assert make(name) == make(name)
    assert make(name) != make(name, key=b"other")


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("nginx-access", "4893db512709a0ea"),
        ("sshd-auth", "c9f4570e4c41283a"),
        ("app", "b3591ba9b8445e76"),
        ("syslog", "dffe32f71f7df10c"),
    ],
)
def test_a_log_is_what_it_always_was(name: str, digest: str) -> None:
    assert hashlib.sha256(make(name).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("name", LOGS)
def test_lines_are_in_order_and_of_their_time(name: str) -> None:
    found = times(name, make(name))

    assert found == sorted(found)
    assert END - timedelta(days=14) <= found[0]
    assert found[-1] < END


@pytest.mark.parametrize("name", LOGS)
def test_a_log_ends_with_a_line_feed(name: str) -> None:
    assert make(name, 3).endswith("\n")


@pytest.mark.parametrize("name", generators.GENERATORS)
def test_every_option_is_told_in_the_docstring(name: str) -> None:
    described = inspect.getdoc(generators.GENERATORS[name]) or ""

    for option in generators.options_of(name):
        assert re.search(rf"^{option}\s\s", described, re.MULTILINE), option


def test_an_unknown_option_is_refused_with_what_is_near() -> None:
    with pytest.raises(ContentError, match="unknown option 'sites'; did you mean 'site'"):
        make("nginx-access", sites="x")


def test_an_option_of_the_wrong_kind_is_an_authors_error() -> None:
    with pytest.raises(ContentError, match="generator nginx-access: an option has a value"):
        make("nginx-access", errors="many")


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ContentError, match="it ends before it starts"):
        make("app", start=END, end=END - timedelta(days=1))


def test_more_people_than_there_are_names_are_refused() -> None:
    with pytest.raises(ContentError, match="cannot take 100000"):
        make("people", 100_000)


def test_weeks_of_a_log_are_made_within_a_second() -> None:
    begin = process_time()
    make("nginx-access", 40_000, start=END - timedelta(days=28))

    assert process_time() - begin < 1


@pytest.mark.slow
def test_a_million_lines_are_made_in_a_few_seconds() -> None:
    begin = process_time()
    made = make("nginx-access", 1_000_000)

    assert made.count("\n") == 1_000_000
    assert process_time() - begin < 10


# --- rhythm -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    start=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    length=st.integers(1, 3_000_000),
    count=st.integers(0, 400),
    zone=st.sampled_from(["Europe/Amsterdam", "Asia/Kathmandu", "America/St_Johns", "UTC"]),
)
def test_instants_are_as_many_as_wanted_in_order_and_within(
    start: datetime, length: int, count: int, zone: str
) -> None:
    begin = start.replace(microsecond=0).astimezone(ZoneInfo(zone))
    end = (begin.astimezone(UTC) + timedelta(seconds=length)).astimezone(ZoneInfo(zone))
    found = list(instants(Drbg(b"k", "m"), Span(begin, end, count)))

    assert len(found) == count
    assert found == sorted(found)
    assert all(begin <= one < end for one in found)


def test_most_happens_in_office_hours() -> None:
    found = instants(Drbg(b"k", "m"), Span(END - timedelta(days=14), END, 5000))
    counts = Counter(one.hour for one in found)

    assert counts[10] > 10 * max(counts[2], 1)


def test_weekends_are_quiet() -> None:
    found = instants(Drbg(b"k", "m"), Span(END - timedelta(days=14), END, 5000))
    counts = Counter(one.weekday() for one in found)

    assert counts[1] > 5 * counts[6]


@pytest.mark.parametrize(("zone", "minutes"), [("UTC", 60), ("Asia/Kathmandu", 15)])
def test_pieces_begin_with_the_zones_hours(zone: str, minutes: int) -> None:
    begin = END.astimezone(ZoneInfo(zone))
    found = list(pieces(Drbg(b"k", "m"), Span(begin, begin + timedelta(hours=5), 50)))

    assert {piece.minutes for piece in found} == {minutes}
    assert all(0 <= second < 3600 for piece in found for second in piece.seconds)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_log_over_the_change_of_clocks_stays_in_order(day: str) -> None:
    start = datetime.fromisoformat(f"{day}T00:30:00").replace(tzinfo=ZONE)
    found = times("app", make("app", 300, start=start, end=start + timedelta(hours=6)))

    assert found == sorted(found)
    assert {one.utcoffset() for one in found} == {timedelta(hours=1), timedelta(hours=2)}


# --- logs -------------------------------------------------------------------------------------

COMBINED = re.compile(r'[\d.]+ - - \[[^\]]+\] "(GET|POST) \S+ HTTP/1\.1" \d{3} \d+ "[^"]+" "[^"]+"')


def test_an_access_log_has_the_combined_format() -> None:
    lines = make("nginx-access", outside=20, errors=20).splitlines()

    assert [line for line in lines if not COMBINED.fullmatch(line)] == []


def test_clients_sit_in_the_companys_sites() -> None:
    subnets = [ipaddress.ip_network(site.subnet) for site in COMPANY.sites.values()]

    for address in clients(make("nginx-access", probe="")):
        assert any(ipaddress.ip_address(address) in subnet for subnet in subnets)


def test_visitors_from_outside_have_addresses_of_nobody() -> None:
    inside = [ipaddress.ip_network(site.subnet) for site in COMPANY.sites.values()]
    nobody = [ipaddress.ip_network(one) for one in OUTSIDE]
    found = [
        ipaddress.ip_address(one) for one in clients(make("nginx-access", probe="", outside=40))
    ]
    strangers = [one for one in found if not any(one in subnet for subnet in inside)]

    assert 100 < len(strangers) < 300
    assert all(any(one in subnet for subnet in nobody) for one in strangers)


def test_the_monitoring_asks_every_minute() -> None:
    text = make("nginx-access", 4000, start=END - timedelta(hours=10), probe="10.7.9.9")
    asked = [
        one
        for one, by in zip(times("nginx-access", text), clients(text), strict=True)
        if by == "10.7.9.9"
    ]

    assert len(asked) == 600
    assert {(b - a).total_seconds() for a, b in pairwise(asked)} == {60}


def test_the_monitoring_is_a_quarter_of_a_log_at_most() -> None:
    found = clients(make("nginx-access", 400, probe="10.7.9.9"))

    assert 50 < found.count("10.7.9.9") <= 100


def test_paths_and_subnets_may_be_given() -> None:
    text = make("nginx-access", paths=["/x", "/y"], subnets=["10.9.9.0/24"], probe="")

    assert set(re.findall(r'"GET (\S+)', text)) == {"/x", "/y"}
    assert {one.rpartition(".")[0] for one in clients(text)} == {"10.9.9"}


def test_errors_are_as_frequent_as_was_asked() -> None:
    statuses = re.findall(r'1\.1" (\d{3})', make("nginx-access", 5000, errors=10, probe=""))
    failed = [one for one in statuses if one[0] in "45"]

    assert 400 < len(failed) < 600


def test_no_errors_is_none() -> None:
    assert not re.search(r'1\.1" [45]', make("nginx-access", 2000, errors=0))


def test_a_login_is_opened_and_closed_by_its_process() -> None:
    lines = make("sshd-auth", 400, scanners=0, end=END, start=END - timedelta(days=60)).splitlines()
    opened = Counter(re.findall(r"\[(\d+)\]: pam_unix\S+ session opened", "\n".join(lines)))
    accepted = Counter(re.findall(r"\[(\d+)\]: Accepted", "\n".join(lines)))

    assert max(opened.values()) == 1
    assert set(opened) <= set(accepted)


def test_people_who_log_in_are_the_it_departments() -> None:
    users = set(re.findall(r"Accepted publickey for (\S+)", make("sshd-auth", 2000)))

    assert users == {"ada.stone", "bo.gravel", "monitor"}


def test_a_persons_numeric_id_stays() -> None:
    found = re.findall(r"for user (\S+)\(uid=(\d+)\)", make("sshd-auth", 2000))

    assert len(set(found)) == len({user for user, _ in found})


def test_scanners_come_from_outside_and_never_get_in() -> None:
    text = make("sshd-auth", 2000, scanners=60)
    strangers = set(re.findall(r"invalid user \S+ from ([\d.]+)", text))
    nobody = [ipaddress.ip_network(one) for one in OUTSIDE]

    assert len(strangers) > 20
    assert all(any(ipaddress.ip_address(one) in net for net in nobody) for one in strangers)
    assert not strangers & set(re.findall(r"Accepted \S+ for \S+ from ([\d.]+)", text))


def test_a_log_may_have_the_old_stamps() -> None:
    line = make("sshd-auth", 3, stamp="bsd", host="gate").splitlines()[0]

    assert re.match(r"[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d gate sshd-session\[\d+\]: ", line)


def test_a_services_log_is_of_keys_and_values() -> None:
    line = make("app", 3, service="scale").splitlines()[0]
    pairs = dict(part.split("=", 1) for part in line.split()[1:])

    assert pairs["service"] == "scale"
    assert pairs["user"] in {one.login for one in COMPANY.people}
    assert pairs["duration_ms"].isdigit()


def test_a_syslog_names_the_services_that_were_given() -> None:
    text = make("syslog", 2000, host="mail", services=["postfix"])

    assert " mail postfix[" in text
    assert " mail CRON[" in text


# --- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_all_rows_have_the_same_columns(name: str) -> None:
    rows = make(name)

    assert {tuple(row) for row in rows} == {tuple(rows[0])}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("people", "number"),
        ("orders", "number"),
        ("shipments", "number"),
        ("inventory", "sku"),
        ("assets", "tag"),
    ],
)
def test_each_row_has_a_number_of_its_own(name: str, column: str) -> None:
    values = [row[column] for row in make(name)]

    assert len(set(values)) == len(values)


def test_new_people_have_different_names_and_some_share_a_last_one() -> None:
    rows = make("people", 200)

    assert len({(row["first_name"], row["last_name"]) for row in rows}) == 200
    assert len({row["last_name"] for row in rows}) < 100


def test_new_people_may_be_of_one_department() -> None:
    rows = make("people", 20, departments=["it"])

    assert {row["department"] for row in rows} == {"Information Technology"}
    assert {row["manager"] for row in rows} == {"ada.stone"}


def test_an_orders_total_is_price_by_quantity() -> None:
    for row in make("orders"):
        cents = int(row["unit_price"].replace(".", "")) * row["quantity"]
        assert row["total"] == f"{cents // 100}.{cents % 100:02d}"


def test_what_was_delivered_has_arrived_by_the_end() -> None:
    for row in make("shipments"):
        assert (row["status"] == "delivered") == bool(row["delivered_at"])
        if row["delivered_at"]:
            assert (
                datetime.fromisoformat(row["left_at"])
                < datetime.fromisoformat(row["delivered_at"])
                < END
            )


def test_some_places_are_empty() -> None:
    empty = [row for row in make("inventory", 1000, empty=20) if row["quantity"] == 0]

    assert 120 < len(empty) < 280


def test_an_asset_of_somebody_is_at_their_site() -> None:
    homes = {one.login: one.site for one in COMPANY.people}

    for row in make("assets"):
        assert row["user"] == "" or homes[row["user"]] == row["site"]


def test_a_company_without_a_sales_department_has_clerks() -> None:
    assert isinstance(COMPANY, Company)
    assert {row["clerk"] for row in make("orders")} == {one.login for one in COMPANY.people}
