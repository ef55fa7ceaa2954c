"""first-day: the print log and its status page carry local time, and keep doing so."""

from datetime import datetime, timedelta

import pytest

pytestmark = pytest.mark.scenario("linux/first-day")

LOG = "/var/log/print-log/pages.log"
STATUS = "/run/print-log/status"
FRESH = timedelta(seconds=60)


def stamp(text):
    """The time `2026-03-01 09:15:00` that begins the text, or None."""
    try:
        return datetime.strptime(text.strip()[:19], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def assert_is_now(seen, what, anchor):
    """The naive time `seen` is this minute at the office."""
    office = datetime.now(anchor.tzinfo).replace(tzinfo=None)
    assert seen is not None, f"{what} has no time that can be read"
    assert abs(office - seen) < FRESH, (
        f"{what} says {seen:%H:%M}, and at the office it is {office:%H:%M}; "
        "what does the service take its time zone from, and has it been restarted since?"
    )


def assert_service_runs(desk):
    state = desk.run("systemctl is-active print-log.service").stdout.strip()
    assert state == "active", f"the service print-log is {state}: it is what watches the printer"


# a line comes every five seconds: in a log that was just emptied there may be none yet
@pytest.mark.check("log-time", points=60, within=8)
def test_new_lines_carry_local_time(hosts, params, anchor):
    """New lines in the log carry local time."""
    desk = hosts["desk"]
    assert_service_runs(desk)
    last = desk.run("tail -n 1 %s", LOG)
    assert last.rc == 0, f"{LOG} cannot be read: {last.stderr.strip()}"
    assert params.printer in last.stdout, f"the last line of {LOG} is not about {params.printer}"
    assert_is_now(stamp(last.stdout), f"the last line of {LOG}", anchor)


@pytest.mark.check("status-page", points=40, within=5)
def test_the_status_page_carries_local_time(hosts, anchor):
    """The status page for the corridor's screen carries local time."""
    desk = hosts["desk"]
    assert_service_runs(desk)
    _, _, updated = desk.read(STATUS).partition("updated ")
    assert_is_now(stamp(updated), STATUS, anchor)


@pytest.mark.guard("old-lines", cap=60)
def test_the_old_lines_are_kept(hosts, params, anchor):
    """The lines that were there are still there."""
    first = hosts["desk"].run("head -n 200 %s", LOG)
    times = [stamp(line) for line in first.lines]
    a_week_ago = anchor.replace(tzinfo=None) - timedelta(days=6)

    old = [time for time in times if time is not None and time < a_week_ago]
    assert len(old) >= 10, f"the lines of last week are gone from {LOG}"
