"""dns-record-missing: the name is found, by both servers alike, and the program has its list."""

import re
from secrets import token_hex

import pytest

pytestmark = pytest.mark.scenario("network/dns-record-missing")

ZONE = "quillhaven.example"
DIG = "dig +time=2 +tries=1 +norecurse +nocookie +noall +answer "
BENCH = "10.20.60.9"
QUESTIONS = "/var/cache/bind/questions.log"  # what labns was asked, and by whom
FETCHES = "/var/log/nginx/fetches.log"  # who fetched from the service, and by what name


def answer(hosts, server, address, name):
    """What a desk is told: the addresses; the check fails without an answer of authority."""
    reply = hosts["desk"].run(DIG + "+comments @%s %s A", address, name)
    status = re.search(r"status: (\w+)", reply.stdout)
    assert status, f"{server} does not answer a desk at all"
    assert status[1] == "NOERROR", f"{server} says {status[1]} when a desk asks it for {name}"
    assert re.search(r"flags:[^;]* aa\b", reply.stdout), (
        f"{server} answers, but not from a zone of its own (no aa among the flags)"
    )
    return re.findall(r"\sIN\s+A\s+(\S+)", reply.stdout)


def whole_zone(asker, server, address):
    """The zone as a transfer gives it, in order of its lines."""
    reply = asker.run("dig +time=3 +tries=1 +noall +answer +onesoa @%s %s AXFR", address, ZONE)
    records = sorted(" ".join(line.split()) for line in reply.lines if "\tIN\t" in line)
    assert records, f"ns2 does not get the zone {ZONE} from {server}"
    return records


def look_up_bench(hosts):
    """A name that the lab's server gets for one look: does app find it, and who asked the lab?

    ns1 and ns2 ask the lab for it; app itself has no business there.
    """
    labns, name = hosts["labns"], f"t{token_hex(8)}.lab.{ZONE}"
    labns.run("nsupdate -l", stdin=f"update add {name}. 60 A {BENCH}\nsend\n")
    try:
        found = hosts["app"].run("getent -s hosts:dns ahostsv4 %s", name, timeout=8)
    finally:
        labns.run("nsupdate -l", stdin=f"update delete {name}. A\nsend\n")
    asked = [line for line in labns.read(QUESTIONS).splitlines() if name in line]
    return BENCH in found.stdout, re.findall(r" ([\d.]+)#\d+ ", "\n".join(asked))


@pytest.mark.check("app-finds", points=30, within=10)
def test_app_finds_the_service(hosts, params):
    """The quotations' machine finds the service by DNS, from the name servers of the house."""
    app = hosts["app"]
    # With the dot the name is whole: nothing is tried behind it that a search list may hold.
    found = app.run("getent -s hosts:dns ahostsv4 %s", f"{params.name}.")
    addresses = sorted({line.split()[0] for line in found.lines if line.strip()})
    assert addresses, f"app asks DNS for {params.name}. (the whole name) and gets no address"
    assert addresses == [params.new_address], (
        f"by DNS, app finds {params.name} at {' and '.join(addresses)}, which is not (or not "
        "only) the machine it moved to"
    )
    reply = app.run(
        "curl -sS --noproxy '*' --max-time 5 -o /dev/null -w '%%{remote_ip} %%{http_code}' %s",
        f"http://{params.name}/current.csv",
    )
    assert reply.stdout.strip() == f"{params.new_address} 200", (
        f"app does not get the list from {params.name}: {reply.stderr.strip() or reply.stdout}"
    )
    found, askers = look_up_bench(hosts)
    assert found, f"app finds {params.name}, but no names of bench machines: whom does it ask?"
    assert params.app_address not in askers, (
        "app asks the lab's name server by itself: see /etc/resolv.conf there, and who writes it"
    )


@pytest.mark.check("list-fetched", points=10, within=5, needs="app-finds")
def test_the_program_has_its_list(hosts, params):
    """The program on app fetches the list that the service has now."""
    edition = f"{params.edition} {token_hex(6)}"
    tariff, app = hosts["tariff"], hosts["app"]
    rest = tariff.read("/srv/tariff/current.csv").partition("\n")[2]
    tariff.put("/srv/tariff/current.csv", f"# edition {edition}\n{rest}")
    run = app.run("systemctl restart fetch-tariff.service", timeout=15)
    assert run.rc == 0, "fetch-tariff.service ends with an error: see /var/log/fetch-tariff.log"
    assert edition in app.read("/srv/quotes/current.csv"), (
        "fetch-tariff says that it was well, but the list on app is not the one the service has"
    )
    timer = app.run("systemctl is-active fetch-tariff.timer").stdout.strip()
    assert timer == "active", "fetch-tariff.timer does not run: the list will be old tomorrow"


@pytest.mark.check("both-agree", points=60, within=10, needs="app-finds")
def test_both_servers_say_the_same(hosts, params):
    """Both name servers say the same, about this name and all others."""
    servers = {"ns1": params.ns1_address, "ns2": params.ns2_address}
    for server, address in servers.items():
        found = answer(hosts, server, address, params.name)
        assert found == [params.new_address], (
            f"{server} tells a desk that {params.name} is at {' and '.join(found) or 'no address'}"
        )
    primary = whole_zone(hosts["ns2"], "ns1", params.ns1_address)
    secondary = whole_zone(hosts["ns2"], "itself", "127.0.0.1")
    assert primary == secondary, "ns2 does not have the zone that ns1 has: compare their SOA"


def all_answers(hosts, server, questions):
    """{(name, type): what a server tells a desk}, asked for all in one go."""
    asked = [word for question in questions for word in question]
    reply = hosts["desk"].run(DIG + "@%s" + " %s" * len(asked), server, *asked)
    found = {}
    for line in reply.lines:
        name, _, _, kind, data = line.split(None, 4)
        found.setdefault((name.lower().rstrip("."), kind), set()).add(data)
    return found


def addresses_of(found, name):
    """The addresses of a name among answers, by its aliases if it is one."""
    for _ in range(4):
        alias = min(found.get((name, "CNAME"), {""})).lower().rstrip(".")
        name = alias or name
    return found.get((name, "A"), set())


@pytest.mark.guard("other-names", cap=40, within=10)
def test_all_other_names_stay(hosts, params):
    """All other names are still what they were."""
    answer(hosts, "ns1", params.ns1_address, f"ns1.{ZONE}")
    expected = {
        "ns1": params.ns1_address,
        "ns2": params.ns2_address,
        "labns": params.labns_address,
        "app": params.app_address,
        "web": params.intranet_address,
        f"{params.short}2": params.new_address,
        "files1": params.files_address,
        "mail": params.mail_address,
        "prn-finance": "10.20.10.203",
        "prn-frontdesk": "10.20.10.205",
        "scan-dock": "10.20.30.61",
        "branch-gw": "10.20.40.1",
        "files": params.files_address,
        "intranet": params.intranet_address,
        "print": params.files_address,
        "smtp": params.mail_address,
        "wiki": params.intranet_address,
    }
    whole = {
        "NS": {f"ns1.{ZONE}.", f"ns2.{ZONE}."},
        "MX": {f"10 mail.{ZONE}."},
        "TXT": {'"v=spf1 mx -all"'},
    }
    questions = [(f"{name}.{ZONE}", "A") for name in expected] + [(ZONE, kind) for kind in whole]
    found = all_answers(hosts, params.ns1_address, questions)
    for name, address in expected.items():
        assert addresses_of(found, f"{name}.{ZONE}") == {address}, (
            f"ns1 no longer says that {name}.{ZONE} is at {address}"
        )
    for kind, data in whole.items():
        told = found.get((ZONE, kind), set())
        assert data <= told, f"ns1 no longer says {' and '.join(data)} ({kind}) of {ZONE}"


def typed_in(host, *names):
    """The lines of a machine's hosts file that say where one of these names is."""
    lines = [line.partition("#")[0] for line in host.run("cat /etc/hosts").lines]
    return [line for line in lines if set(names) & set(line.lower().split()[1:])]


def names_fetched_by(hosts, address):
    """By what name an address has asked the service for something, oldest first."""
    lines = [line.split() for line in hosts["tariff"].read(FETCHES).splitlines()]
    return [name for client, name in lines if client == address]


@pytest.mark.guard("by-name-alone", cap=50)
def test_no_address_is_typed_in(hosts, params):
    """No address is typed in anywhere else, in no program and no hosts file."""
    for host in ("app", "ns1"):
        lines = typed_in(hosts[host], params.name, params.short)
        assert not lines, f"{host} has an address of {params.short} in /etc/hosts: {lines[0]}"
    app = hosts["app"]
    found = app.run("getent -s hosts:dns ahostsv4 %s", f"{params.name}.")
    if params.new_address not in found.stdout:
        return  # the program cannot find the service by its name yet
    before = len(names_fetched_by(hosts, params.app_address))
    app.run("systemctl restart fetch-tariff.service", timeout=15)
    for name in names_fetched_by(hosts, params.app_address)[before:]:
        assert name in (params.name, params.short), (
            f"fetch-tariff asks for its list at {name}, not at {params.name}: who tells it so?"
        )


@pytest.mark.guard("whole-list", cap=40, within=5)
def test_the_whole_list_is_for_ns2_alone(hosts, params):
    """Nobody but the second name server gets the whole list of names."""
    transfer = hosts["desk"].run(DIG + "@%s %s AXFR", params.ns1_address, ZONE)
    assert "\tIN\t" not in transfer.stdout, (
        f"any desk can have the whole zone {ZONE} from ns1 (allow-transfer)"
    )
