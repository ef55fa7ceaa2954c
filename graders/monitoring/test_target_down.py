"""target-down: the duty phone rings when a machine is gone, says which, and only then."""

import json
import re
import secrets
import time
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlencode, urlsplit

import pytest

pytestmark = pytest.mark.scenario("monitoring/target-down")

MACHINES = ("files", "scan")
DROPS = "/var/lib/prometheus/node-exporter"
WAIT = 10.0  # seconds, as the ticket says
ALERTS = "/api/v1/alerts"
PAUSE = 1.0  # seconds: Prometheus asks the machines and works out its rules that often

# Stops the exporter as an accident would. A timer starts it again should the grader be cut off.
STOP = """
unit=prometheus-node-exporter.service
systemctl is-active --quiet $unit || exit 3
systemd-run --quiet --collect --on-active=40 --unit=grader-net systemctl start $unit
systemctl stop $unit
"""
START = """
systemctl start prometheus-node-exporter.service
systemctl stop grader-net.timer 2> /dev/null
true
"""


def until(probe, seconds=WAIT):
    """Asks again and again until `probe` says yes or the time is over; the last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return answer


def until_told(hosts, probe, seconds=WAIT, after=""):
    """As `until`, with the phone's calls for `probe`: asked again when there is a new one."""
    deadline = time.monotonic() + seconds
    heard = calls(hosts, after)
    while not (answer := probe(heard)) and time.monotonic() < deadline:
        heard = calls(hosts, after=last(heard))
    return answer


def mentions(alert, word):
    """Does an alert, in its labels or its annotations, name `word`?"""
    said = " ".join([*alert.get("labels", {}).values(), *alert.get("annotations", {}).values()])
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said) is not None


def ask(hosts, params, port, *paths):
    """What an API on mon answers to another machine: JSON for each path."""
    urls = [f"http://{params.mon_address}:{port}{path}" for path in paths]
    command = "curl -sS --max-time 4 -w '\\n'" + " %s" * len(urls)
    reply = hosts["duty"].run(command, *urls)
    assert reply.rc == 0, f"mon does not answer at {urls[0]}: {reply.stderr.strip()}"
    try:
        return [json.loads(line) for line in reply.lines if line]
    except ValueError as error:
        raise AssertionError(f"mon gives no sensible answer at {urls[0]}: {error}") from None


def query(text):
    """Where Prometheus is asked for the series of a query."""
    return "/api/v1/query?" + urlencode({"query": text})


def named_by_firing(answer, word):
    """Is there an alert that fires and names `word`, as Prometheus answers?"""
    alerts = answer.get("data", {}).get("alerts", [])
    return any(one.get("state") == "firing" and mentions(one, word) for one in alerts)


def firing(hosts, params, word):
    """Does Prometheus fire an alert that names `word`?"""
    (answer,) = ask(hosts, params, 9090, ALERTS)
    return named_by_firing(answer, word)


def held(hosts, params, word):
    """The fingerprints of the alerts in Alertmanager that name `word`."""
    (alerts,) = ask(hosts, params, 9093, "/api/v2/alerts")
    named = [one for one in alerts if mentions(one, word)] if isinstance(alerts, list) else []
    return {one.get("fingerprint") for one in named}


def calls(hosts, after=""):
    """What reached the duty phone's gateway lately; it waits a second for one after a number."""
    return hosts["duty"].run("curl -sS --max-time 4 http://127.0.0.1:8080/%s", after).json()


def last(heard):
    """The number of the last call."""
    return max((one["number"] for one in heard), default=0)


def told_to(heard, to, word="", since=0, among=None):
    """What `to` (ring, mail) was told after the call number `since` by alerts that name `word`:
    "firing" or "resolved", oldest first. `among`: only by those with these fingerprints."""
    return [
        alert.get("status")
        for one in heard
        if one["number"] > since and one["to"] == to
        for alert in one["alerts"]
        if (not word or mentions(alert, word))
        and (among is None or alert.get("fingerprint") in among)
    ]


def series_in(answer):
    return answer.get("data", {}).get("result", [])


def found(hosts, params, text):
    """What Prometheus answers to a query: a list of series."""
    (answer,) = ask(hosts, params, 9090, query(text))
    return series_in(answer)


def ringing(hosts, params, alerts):
    """Those of Prometheus's alerts that the duty phone rings about: they fire, Alertmanager holds
    them and no silence covers them, and the last that the phone was told of them is "firing"."""
    firing_now = [one["labels"] for one in alerts if one.get("state") == "firing"]
    if not firing_now:
        return []
    (active,) = ask(hosts, params, 9093, "/api/v2/alerts?silenced=false&inhibited=false")
    heard = calls(hosts)
    return [
        one
        for one in (active if isinstance(active, list) else [])
        if any(labels.items() <= one["labels"].items() for labels in firing_now)
        and told_to(heard, "ring", among={one["fingerprint"]})[-1:] == ["firing"]
    ]


def quiet(hosts, params, *machines):
    """The check fails unless Prometheus has just reached machines, and nothing rings about them.

    With all machines nothing may ring at all: a page that names none of them is no better.
    """
    up = query("up == 1 and time() - timestamp(up) < 5")
    reached, answer = ask(hosts, params, 9090, up, ALERTS)
    for machine in machines:
        assert any(mentions({"labels": one["metric"]}, machine) for one in series_in(reached)), (
            f"{machine} runs, and Prometheus does not reach it: look at /api/v1/targets"
        )
    for alert in ringing(hosts, params, answer.get("data", {}).get("alerts", [])):
        for machine in machines:
            assert not mentions(alert, machine), (
                f"{machine} runs, and an alert says to the duty phone that it does not: "
                "look at /api/v1/alerts"
            )
        assert set(machines) != set(MACHINES), (
            f"all machines run, and the duty phone rings ({alert['labels'].get('alertname')}): "
            "look at /api/v1/alerts"
        )


@contextmanager
def stopped(hosts, machine):
    """The machine's exporter stopped for a while; started again, whatever happens.

    Gives the number of the phone's last call before.
    """
    before = last(calls(hosts))
    reply = hosts[machine].run(STOP)
    assert reply.rc == 0, f"{machine}: prometheus-node-exporter.service does not run"
    try:
        yield before
    finally:
        hosts[machine].run(START)


@contextmanager
def tells(hosts, params, series, values):
    """One more number that each machine in `values` tells the monitoring for a while.

    Waits until Prometheus has seen it go: a restart in between would keep it for five minutes.
    """
    path = f"{DROPS}/grader.prom"
    for machine, value in values.items():
        hosts[machine].put(path, f"{series} {value}\n")
    try:
        yield
    finally:
        for machine in values:
            hosts[machine].run("rm -f %s", path)
    time.sleep(PAUSE)
    until(lambda: not found(hosts, params, series))


def must_ring(hosts, params, machine, before):
    """An alert about a machine that was just stopped goes all the way to the phone.

    The end of that way is waited for first: what lies before it is then asked once.
    """

    def rang(heard, among=None):
        return "firing" in told_to(heard, "ring", machine, before, among)

    began = time.monotonic()
    until_told(hosts, rang, after=before)
    assert until(partial(firing, hosts, params, machine), began + WAIT - time.monotonic()), (
        f"the exporter of {machine} was stopped for {WAIT:.0f} s, and no alert that names "
        f"{machine} fires in Prometheus: look at the rule and at what it selects"
    )
    prints = until(partial(held, hosts, params, machine))
    assert prints, f"an alert about {machine} fires in Prometheus and does not reach Alertmanager"
    assert until_told(hosts, partial(rang, among=prints), WAIT / 2), (
        f"the alert about {machine} reached Alertmanager, and the duty phone did not ring: which "
        "receiver do its labels lead to?"
    )


@pytest.mark.check("phone-rings", points=40, within=10)
def test_the_phone_rings(hosts, params):
    """The duty phone rings when a machine stops answering, and is quiet before."""
    quiet(hosts, params, *MACHINES)
    one, other = MACHINES
    with stopped(hosts, one) as before:
        must_ring(hosts, params, one, before)
        quiet(hosts, params, other)
    with stopped(hosts, other) as before:
        must_ring(hosts, params, other, before)
    # By now the phone was also told of what had only begun to fire at the first look.
    until(lambda: not any(firing(hosts, params, machine) for machine in MACHINES))
    quiet(hosts, params, *MACHINES)


@pytest.mark.check("all-clear", points=20, within=2, needs="phone-rings")
def test_the_all_clear_comes(hosts, params):
    """The duty phone gets the all-clear when the machine is back."""
    for machine in MACHINES:
        rang = partial(told_to, to="ring", word=machine)
        assert rang(calls(hosts)), f"the duty phone did not ring about {machine}"
        cleared = until_told(hosts, lambda heard, rang=rang: rang(heard)[-1:] == ["resolved"])
        assert cleared, f"{machine} was stopped and is back, and the duty phone was not told so"


@pytest.mark.check("true-numbers", points=20, within=2, needs="phone-rings")
def test_the_numbers_are_the_machines_own(hosts, params):
    """What Prometheus knows of a machine comes from that machine."""
    series = "house_grader_number"
    numbers = {machine: str(10_000 + secrets.randbelow(90_000)) for machine in MACHINES}

    def known(machine):
        return any(
            sample["value"][1] == numbers[machine]
            and mentions({"labels": sample["metric"]}, machine)
            for sample in found(hosts, params, series)
        )

    with tells(hosts, params, series, numbers):
        for machine in MACHINES:
            assert until(partial(known, machine)), (
                f"{machine} tells a new number ({DROPS}), and Prometheus does not know it as "
                f"{machine}'s: is it really {machine} that is asked?"
            )


@pytest.mark.check("other-alerts", points=20, within=2, needs="phone-rings")
def test_other_alerts_still_ring(hosts, params):
    """The scanners' stuck queue rings the duty phone, too."""
    queue = f"drill-{secrets.token_hex(4)}"
    series = f'house_scan_queue_length{{queue="{queue}"}}'
    with tells(hosts, params, series, {"scan": 9999}):
        rang = until_told(hosts, partial(told_to, to="ring", word=queue))
    assert rang, "9999 scans wait in a queue of scan, and the duty phone does not ring"


@pytest.mark.guard("notices", cap=60, within=2)
def test_notices_go_to_the_mail(hosts, params):
    """Notices go to the mail, and do not ring the duty phone."""
    backup = f"drill-{secrets.token_hex(4)}"
    series = f'house_backup_last_success_timestamp_seconds{{set="{backup}"}}'
    with tells(hosts, params, series, {params.spared: 1}):
        mailed = until_told(hosts, partial(told_to, to="mail", word=backup))
        time.sleep(1.5)
        rang = told_to(calls(hosts), "ring", backup)
    assert mailed, "an old backup no longer comes as a notice by mail"
    assert not rang, "an old backup, which is a notice, rings the duty phone at night"


def ports_asked(hosts, params):
    """The ports at which Prometheus asks by now, wherever an exporter was moved."""
    try:
        (answer,) = ask(hosts, params, 9090, "/api/v1/targets?state=active")
        targets = answer["data"]["activeTargets"]
        return {urlsplit(one["scrapeUrl"]).port or 80 for one in targets}
    except (AssertionError, LookupError, TypeError, ValueError):
        return set()  # Prometheus is down: that is the phone's failure, not the firewalls'


@pytest.mark.guard("only-mon-asks", cap=60)
def test_only_the_monitoring_may_ask(hosts, params):
    """Nobody but mon can ask the machines for their numbers."""
    doors = [
        (machine, params[f"{machine}_address"], port)
        for machine in MACHINES
        for port in sorted({9100, *ports_asked(hosts, params)})
    ]
    urls = [f"http://{address}:{port}/metrics" for _, address, port in doors]
    command = "curl -s --max-time 2 -w '%%{exitcode}\\n'" + " -o /dev/null %s" * len(urls)
    codes = hosts["duty"].run(command, *urls).lines
    for (machine, address, port), code in zip(doors, codes, strict=True):
        assert code != "0", (
            f"any machine can read the numbers of {machine} at {address}:{port}: its firewall "
            "(/etc/nftables.conf) is to let mon ask, and nobody else"
        )
