"""python-inventory-sync: the stock is copied whole and once, in any weather, and keeps being so."""

import json
import re
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property, wraps
from hashlib import sha256
from itertools import count, pairwise

import pytest

pytestmark = pytest.mark.scenario("scripting/python-inventory-sync")

ACCOUNT, SITE = "stock", "stock.quillhaven.example"
CONFIG, CONTROL = "/etc/stock-api/public.json", "/run/stock-api/control"
PAGE, SECONDS, WAIT = 10, 35, 15
PASSED = "/run/grader-passed"  # on api, which no learner reaches and no grade reboots
NAMES = [
    "Euro pallet",
    "Stretch film, 500 mm",
    "O'Neill crate",
    'Pipe 3/4"',
    "Päckchen ß",
    "100 %s; --",
]
COLUMNS = ["sku", "name", "site", "quantity", "changed", "gone"]
# tables to ask for: columns, name, order
ITEMS = ("sku, name, site, quantity, extract(epoch FROM changed)::bigint, gone", "items", "sku")
MOVEMENTS = ("sku, before, after", "movements", "number")
STOCKTAKES = ("sku, counted", "stocktakes", "sku")
# does the program wait for a lock; does the grader's own session have the one that it is to hold
WAITS = """
    SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND usename = 'trial')
"""
HOLDS = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE application_name = 'holder' AND wait_event = 'PgSleep')
"""
POSTGRES = "/usr/lib/postgresql/17/bin"  # /usr/bin has a wrapper in Perl


# --- the stock, and what our tables must then hold ------------------------------------------------


class Stock:
    """A stock that lives on: `entries` is what the API tells, `known` and `moves` what we have."""

    def __init__(self, rng, feed, anchor):
        self.rng, self.feed, self.at = rng, feed, anchor - timedelta(days=40)
        self.live, self.known, self.moves, self.told, self.seen = {}, {}, {}, [], 0
        self.numbers = count(1000 + rng.below(8000))

    def put(self, sku, quantity=None):
        """The item is there from now on, with a new name or quantity."""
        rng = self.rng
        self.at += timedelta(seconds=60 + rng.below(3600))
        old = self.live.get(sku, {})
        quantity = rng.between(500, 900) if quantity is None else quantity
        name = old.get("name") or f"{rng.choice(NAMES)} {rng.below(90)}"
        site = old.get("site") or rng.choice(["office", "warehouse", "branch"])
        changed = {"quantity": quantity, "changed": self.at.isoformat()}
        self.live[sku] = {"sku": sku, "name": name, "site": site, **changed}
        self.told.append({**self.live[sku], "deleted": False})

    def add(self, items):
        for _ in range(items):
            self.put(f"QH-{next(self.numbers)}", self.rng.below(400))

    def move(self, skus):
        for sku in skus:
            self.put(sku, self.live[sku]["quantity"] + self.rng.between(1, 50))

    def remove(self, skus):
        for sku in skus:
            del self.live[sku]
            self.at += timedelta(seconds=60)
            self.told.append({"sku": sku, "changed": self.at.isoformat(), "deleted": True})

    def some(self, count):
        return self.rng.sample(sorted(self.live), count)

    def entries(self):
        """For `items`, the list as it shifts: one item is told on two pages."""
        if self.feed == "changes":
            return self.told
        listed = [self.live[sku] for sku in sorted(self.live)]
        return listed[:PAGE] + listed[PAGE - 1 :]

    def synced(self):
        """Our tables once everything was copied: the expectation moves on."""
        if self.feed == "items":
            entries = list(self.live.values())
            for sku in self.known.keys() - self.live.keys():
                self.known[sku]["gone"] = True
        else:
            entries, self.seen = self.told[self.seen :], len(self.told)
        for entry in entries:
            self.take(entry)

    def take(self, entry):
        sku, row = entry["sku"], self.known.get(entry["sku"])
        if entry.get("deleted"):
            row["gone"] = True
            return
        if row and row["quantity"] != entry["quantity"]:
            self.moves.setdefault(sku, []).append([row["quantity"], entry["quantity"]])
        changed = int(datetime.fromisoformat(entry["changed"]).timestamp())
        self.known[sku] = {**entry, "changed": changed, "gone": False}
        self.known[sku].pop("deleted", None)

    def last_moved(self):
        """Of the items that we have with another quantity, the one whose turn comes last."""
        turns = {}
        for entry in self.entries()[self.seen :]:
            row = self.known.get(entry["sku"])
            if row and entry.get("quantity") not in (None, row["quantity"]):
                turns.setdefault(entry["sku"])
        return list(turns)[-1]


# --- the trial: a fresh machine, an API and a database that are the grader's ----------------------


class Trial:
    """The learner's program on the fresh machine, against an API and a database of its own.

    One for all checks: what one of them has left `right`, the next goes on from.
    """

    def __init__(self, hosts, params, stock, phase):
        self.work, self.machine, self.api = hosts["work"], hosts["runner"], hosts["api"]
        self.tool = f"/usr/local/bin/{params.tool}"
        self.params, self.stock, self.phase = params, stock, phase
        self.secret = stock.rng.bytes(12).hex()
        self.right = False

    @cached_property
    def program(self):
        """What all checks of this phase try."""
        return read_program(self.work, self.tool)

    @cached_property
    def passed(self):
        """The marks of what passed before the reboot."""
        return self.api.run("cat %s", PASSED).lines if self.phase == "after" else []

    def mark(self, check):
        """What stands for this check of this program in this grade."""
        return sha256(f"{self.secret} {check} {self.program}".encode()).hexdigest()

    def empty(self):
        """The program is in its place, and the tables are empty."""
        self.machine.put(self.tool, self.program, mode=0o755)
        clean = f"TRUNCATE {', '.join(filled(self.params))} RESTART IDENTITY"
        psql(self.api, "trial", f"{clean}; ALTER ROLE trial PASSWORD '{self.secret}'")
        self.stock.known, self.stock.moves, self.stock.seen = {}, {}, 0

    def copied(self):
        """The tables are right: as the check before left them, or by a first run."""
        if not self.right:
            self.empty()
            self.must_copy("the first run")

    def serve(self, **weather):
        """The API tells the stock as it is now; `weather` is as its settings name it."""
        settings = {"port": self.params.trial_port, "token": self.secret, "page": PAGE}
        settings |= {"feed": self.params.feed, "entries": self.stock.entries(), **weather}
        serve(self.api, "trial", settings)

    @property
    def environment(self):
        url = f"http://{SITE}:{self.params.trial_port}/v1"
        return [
            *("env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/"),
            *(f"STOCK_URL={url}", f"STOCK_TOKEN={self.secret}", f"PGHOST={SITE}"),
            *("PGDATABASE=trial", "PGUSER=trial", f"PGPASSWORD={self.secret}", self.tool),
        ]

    def run(self):
        self.right = False
        words = ["timeout", "-k", "2", SECONDS, *self.environment]
        line = "cd / &&" + " %s" * len(words) + " < /dev/null"
        reply = self.machine.run(line, *words, user=ACCOUNT, timeout=SECONDS + 8)
        assert reply.rc not in (124, 137), f"{self.tool} had not ended after {SECONDS} seconds"
        return reply

    def must_copy(self, about, **weather):
        """One run must end well, and our tables must then be as they should."""
        self.serve(**weather)
        reply = self.run()
        said = brief(reply.stderr[-160:])
        assert reply.rc == 0, f"{about}: exit code {reply.rc} instead of 0; {said}"
        self.stock.synced()
        self.compare(about)
        self.right = True

    def compare(self, about):
        rows, moves = tables(self.api, "trial", ITEMS, MOVEMENTS)
        compare(rows, self.stock.known, about)
        seen = {}
        for sku, *quantities in moves:
            seen.setdefault(sku, []).append(quantities)
        for sku in sorted(seen.keys() | self.stock.moves.keys()):
            one, other = seen.get(sku, []), self.stock.moves.get(sku, [])
            assert one == other, f"{about}: movements of {sku} are {one}, not {other}"

    def requests(self):
        return list(map(json.loads, self.api.run("cat /var/log/stock-api/trial.jsonl").lines))

    def kill_at(self, table):
        """Starts the program, and kills it when it comes to write to this table, and must wait.

        What it wrote before has been done then, what it waits for has not. One that does not wait
        comes to its end, or is killed as it is found.
        """
        self.right = False
        self.serve()
        line = "cd / &&" + " %s" * len(self.environment) + " < /dev/null > /dev/null 2>&1 &"
        with held(self.api, self.lock(table)):
            self.machine.run(line, *self.environment, user=ACCOUNT)
            deadline = time.monotonic() + WAIT
            while time.monotonic() < deadline:
                waits = psql(self.api, "trial", WAITS).strip() == "t"
                if waits or self.machine.run("pgrep -u %s", ACCOUNT).rc:
                    break
                time.sleep(0.1)
            self.machine.run("pkill -KILL -u %s", ACCOUNT)

    def lock(self, table):
        """Who writes to the table must wait, who reads it need not.

        Of the items it is a single row: what is written before its turn is not held up.
        """
        if table == "items":
            sku = self.stock.last_moved()
            return f"SELECT FROM items WHERE sku = '{sku}' FOR NO KEY UPDATE"
        return f"LOCK TABLE {table} IN SHARE MODE"


@pytest.fixture(scope="module")
def stock(rng, params, anchor):
    stock = Stock(rng, params.feed, anchor)
    stock.add(rng.between(63, 69))
    return stock


@pytest.fixture(scope="module")
def trial(hosts, params, stock, phase):
    return Trial(hosts, params, stock, phase)


def tried(test):
    """A check of the program alone: the machine that tries it is new, the API and the database are
    ours. So it is not tried again after the reboot while it is the same to the byte."""

    @wraps(test)
    def check(trial, **more):
        mark = trial.mark(test.__name__)
        if mark not in trial.passed:
            test(trial=trial, **more)
            trial.api.run("echo %s >> %s", mark, PASSED)

    return check


def serve(api, name, settings):
    reply = api.run("nc -N -U %s", CONTROL, stdin=json.dumps({name: settings}))
    if reply.stdout != "ok":
        raise RuntimeError(f"the API does not tell it: {reply.stdout} {reply.stderr}")


def psql(machine, database, command):
    line = f"{POSTGRES}/psql -XqAt --set ON_ERROR_STOP=1 --username postgres --dbname %s"
    # On the hidden machine everybody may be postgres.
    user = "" if machine.hidden else "postgres"
    reply = machine.run(line, database, user=user, stdin=command)
    if reply.rc and machine.hidden:  # ours, not the learner's
        raise RuntimeError(reply.stderr)
    assert reply.rc == 0, f"the database {database} on {machine.name}: {brief(reply.stderr)}"
    return reply.stdout


@contextmanager
def held(api, lock):
    """Another session has this lock in the database of the trials."""
    line = f"PGAPPNAME=holder {POSTGRES}/psql -Xq --username postgres --dbname trial --command %s"
    session = f"BEGIN; {lock}; SELECT pg_sleep({3 * WAIT})"
    api.run(f"{line} < /dev/null > /dev/null 2>&1 &", session)
    try:
        deadline = time.monotonic() + WAIT
        while psql(api, "trial", HOLDS).strip() != "t":
            if time.monotonic() > deadline:
                raise RuntimeError(f"no lock could be had: {lock}")
            time.sleep(0.05)
        yield
    finally:
        # A session whose program was killed would still do what it waits for: it must end first.
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE"
        psql(api, "trial", f"{end} usename = 'trial'; {end} application_name = 'holder'")


def filled(params):
    """The tables that the program fills."""
    return ["items", "movements", *(["feed_position"] if params.feed == "changes" else [])]


def tables(machine, database, *wanted):
    """The rows of each table as lists."""
    rows = "(SELECT coalesce(json_agg(json_build_array({0}) ORDER BY {2}), '[]') FROM {1})"
    asked = ", ".join(rows.format(*table) for table in wanted)
    return json.loads(psql(machine, database, f"SELECT json_build_array({asked})"))


def read_program(work, path):
    found = work.run("test -f %s && test -x %s", path, path)
    assert found.rc == 0, f"there is no executable file {path} on work"
    program = work.read(path)
    assert re.match(r"#!.*\bpython", program), f"{path}: its first line does not say Python"
    return program


def compare(rows, known, about):
    """Our table `items` against what it must hold."""
    seen = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}
    lost, more = sorted(known.keys() - seen.keys()), sorted(seen.keys() - known.keys())
    assert not lost, f"{about}: {len(lost)} items are not in the table, first {lost[0]}"
    assert not more, f"{about}: {len(more)} items too many in the table, first {more[0]}"
    for sku, row in sorted(known.items()):
        for column in COLUMNS:
            one, other = seen[sku][column], row[column]
            assert one == other, f"{about}: {sku} has {column} {one}, not {other}"


def brief(said):
    said = " ".join(said.split())
    return said if len(said) <= 160 else said[:159] + "…"


# --- the program ----------------------------------------------------------------------------------


@pytest.mark.check("first-copy", points=20)
@tried
def test_first_copy(trial):
    """The first run copies everything."""
    trial.empty()
    trial.must_copy("the first run into empty tables")


@pytest.mark.check("rate-limit", points=10, needs="first-copy")
@tried
def test_rate_limit(trial):
    """It waits as long as the API says."""
    trial.empty()
    trial.must_copy("an API that says 429 now and then", trouble={"2": "429", "5": "429"})
    early = sum(request["kind"] == "early" for request in trial.requests())
    assert not early, f"it asked {early} times before the time in Retry-After was over"


@pytest.mark.check("rough-weather", points=15, needs="first-copy")
@tried
def test_rough_weather(trial):
    """Errors, broken connections and broken pages cost time, and nothing else."""
    kinds = {"1": "503", "3": "drop", "5": "cut", "7": "short"}
    kinds |= {"9": "500", "10": "502", "11": "short"}
    trial.empty()
    trial.must_copy("an API with errors and broken pages", trouble=kinds)


@pytest.mark.check("second-run", points=15, needs="first-copy")
@tried
def test_second_run(trial, stock):
    """A further run takes over what is new, and nothing twice."""
    trial.copied()
    trial.must_copy("a second run, when nothing has changed")
    read = len(stock.entries())
    if trial.params.feed == "changes":
        again = min(request["after"] for request in trial.requests())
        assert again == read, f"the second run read from change {again}, not from {read}"
    stock.move(stock.some(20))
    stock.add(3)
    trial.must_copy("a run after some quantities have changed")


@pytest.mark.check("gone", points=10, needs="first-copy")
@tried
def test_gone(trial, stock):
    """What is gone is marked, not lost; and it may come back."""
    trial.copied()
    leaving = stock.some(5)
    stock.remove(leaving)
    trial.must_copy("a run after some items have gone")
    for sku in leaving[:2]:
        stock.put(sku)
    trial.must_copy("a run after some of them came back")


# three runs that are killed after WAIT at the latest, and two whole ones
@pytest.mark.check("killed", points=15, needs="second-run", seconds=120)
@tried
def test_killed(trial, stock):
    """Killed in the midst of writing and run again, it is as if nothing had happened."""
    trial.copied()
    twice = stock.some(6)
    stock.move([*twice, *twice, *stock.some(35)])
    stock.remove(stock.some(2))
    stock.add(3)
    for table in reversed(filled(trial.params)):
        trial.kill_at(table)
    trial.must_copy("a run after some that were killed between two statements")
    trial.must_copy("one more run after that")


@pytest.mark.check("gives-up", points=5, needs="first-copy")
@tried
def test_gives_up(trial, stock):
    """When the API stays down it gives up, and says so."""
    trial.copied()
    stock.move(stock.some(30))
    trial.serve(down_after=2)
    reply = trial.run()
    about = "an API that goes down at the third page and stays so"
    assert reply.rc == 1, f"{about}: the exit code is {reply.rc}, not 1"
    assert reply.stderr.strip(), f"{about}: there is nothing on stderr"
    asked = sum(request["kind"] == "503" for request in trial.requests())
    assert asked <= 8, f"{about}: asked {asked} times in vain, not five"
    gone = int(psql(trial.api, "trial", "SELECT count(*) FROM items WHERE gone"))
    more = gone - sum(row["gone"] for row in stock.known.values())
    assert not more, f"{about}: {more} items are called gone that were only not read"
    trial.must_copy("a run after the API came back")


# --- service and timer ----------------------------------------------------------------------------


def shown(work, unit):
    """The properties of a unit as systemd has them, by name; of a list, all parts."""
    found = {}
    for line in work.run("LC_ALL=C systemctl show %s", unit).lines:
        name, _, value = line.partition("=")
        found[name] = f"{found.get(name, '')} {value}".strip()
    return found


@contextmanager
def life_goes_on(hosts, params, rng):
    """One quantity changes in the stock that the learner's own service reads; what it tells now.

    Afterwards the stock and our tables are as they were: a regrade begins with the stock system as
    it was at first, which knows no place in its changes that it has not reached yet.
    """
    api, db = hosts["api"], hosts["db"]
    settings = json.loads(api.read(CONFIG))
    names = filled(params)
    dump = f"{POSTGRES}/pg_dump --data-only{' --table %s' * len(names)} stock"
    kept = db.run(dump, *names, user="postgres")
    assert kept.rc == 0, f"the tables of stock cannot be read: {brief(kept.stderr)}"
    entries = list(settings["entries"])
    item = rng.choice([entry for entry in entries if not entry.get("deleted")])
    if settings["feed"] == "items":
        entries.remove(item)
    entries.append({**item, "quantity": item["quantity"] + 1})
    serve(api, "public", settings | {"entries": entries})
    try:
        yield entries
    finally:
        serve(api, "public", settings)
        psql(db, "stock", f"BEGIN; TRUNCATE {', '.join(names)};\n{kept.stdout}\nCOMMIT;")


# A run that the timer began before may have met the old stock.
ONE_WHOLE_RUN = """timeout 40 sh -c '
    while [ "$(systemctl show -P ActiveState "$1")" = activating ]; do sleep 0.2; done
    systemctl start --wait "$1"' sh %s"""


# a run that hangs takes its 50 seconds, and all is put back after it
@pytest.mark.check("service", points=5, needs="first-copy", within=15, seconds=90)
def test_service_copies_the_stock(hosts, params, rng, anchor):
    """The service copies the stock into our database, as the account stock."""
    work, unit = hosts["work"], f"{params.tool}.service"
    seen = shown(work, unit)
    assert seen.get("LoadState") == "loaded", f"there is no {unit} on work"
    user = seen.get("User") or "root"
    assert user == ACCOUNT, f"{unit} runs as {user}, not as {ACCOUNT}"
    stock = Stock(rng, params.feed, anchor)
    with life_goes_on(hosts, params, rng) as stock.told:
        stock.live = {entry["sku"]: entry for entry in stock.told}
        stock.synced()
        started = work.run(ONE_WHOLE_RUN, unit, timeout=50)
        assert started.rc == 0, f"systemctl start {unit} fails: {brief(started.stderr)}"
        (rows,) = tables(hosts["db"], "stock", ITEMS)
    ours = [row for row in rows if row[0] in stock.known or not row[5]]
    compare(ours, stock.known, f"the database on db after {unit}")


@pytest.mark.check("timer", points=5, needs="service")
def test_timer_waits(hosts, params):
    """The timer starts the service as often as was asked."""
    unit = f"{params.tool}.timer"
    seen = shown(hosts["work"], unit)
    assert seen.get("LoadState") == "loaded", f"there is no {unit} on work"
    assert seen["ActiveState"] == "active", f"{unit} is {seen['ActiveState']}: it starts nothing"
    assert seen["Unit"] == f"{params.tool}.service", f"{unit} starts {seen['Unit']}"
    assert seen["SubState"] != "elapsed", f"{unit} has no next run"
    wanted = f"every {params.every} minutes"
    if found := re.search(r"OnUnit(?:Active|Inactive)USec=(\S+)", seen.get("TimersMonotonic", "")):
        assert found[1] == f"{params.every}min", f"{unit}: each {found[1]}, not {wanted}"
        return
    found = re.search(r"OnCalendar=(.*?) ;", seen.get("TimersCalendar", ""))
    assert found, f"{unit} does not say when"
    analyze = "TZ=UTC systemd-analyze calendar --iterations=8 %s"
    told = re.findall(r"\d{4}-\S+ \d\d:\d\d:\d\d", hosts["runner"].run(analyze, found[1]).stdout)
    gaps = {later - run for run, later in pairwise(map(datetime.fromisoformat, told))}
    assert gaps == {timedelta(minutes=params.every)}, f"{unit} has “{found[1]}”, not {wanted}"


# --- what must stay -------------------------------------------------------------------------------


@pytest.mark.guard("stocktakes", cap=50)
def test_stocktakes_are_as_they_were(hosts, params):
    """What the warehouse counted is as it was."""
    (rows,) = tables(hosts["db"], "stock", STOCKTAKES)
    counted = [[row.sku, row.quantity] for row in params.stock[:30]]
    assert sorted(rows) == sorted(counted), "the table stocktakes is not as it was"


@pytest.mark.guard("rights", cap=60)
def test_rights_are_as_they_were(hosts):
    """The role has no more rights than it needs."""
    more = """
        SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
            OR has_table_privilege(oid, 'items', 'DELETE, TRUNCATE')
            OR has_table_privilege(oid, 'stocktakes', 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)
        FROM pg_roles WHERE rolname = 'stock_sync'
    """
    assert psql(hosts["db"], "stock", more).strip() == "f", "stock_sync has rights it had not"
