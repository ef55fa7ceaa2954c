"""bash-log-report: the script does what was asked, on logs it has not seen, and by the clock."""

import gzip
import io
import re
import tarfile
from collections import namedtuple
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, wraps
from hashlib import sha256

import pytest

pytestmark = pytest.mark.scenario("scripting/bash-log-report")

LOGS, REPORTS = "/srv/logs", "/srv/reports"
ACCOUNT = "reports"
TRIAL = "/srv/trial"
ENDED = "/var/lib/grader-ended"  # on work; what a mark is made of is known to this grade alone
SECONDS, PATIENCE = 60, 100  # by the clock, for small inputs and for many lines
PROCESSOR_SECONDS = 20  # of each process: a busy computer does not make honest work fail
MINUTE = 60  # the same for a million lines, as the ticket has it
TIMED_OUT, KILLED, KILLED_BY_LIMIT = 124, 128 + 9, 128 + 24  # by timeout; SIGKILL, SIGXCPU
DIRECTIVE = re.compile(r"#\s*shellcheck\s.*")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
STATUSES = {200: 60, 204: 3, 301: 4, 304: 9, 400: 4, 404: 9, 499: 3, 500: 3, 502: 5}
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64)", "QuillScan/4.2 (dock 3) 500 120", "curl/8.14.1", "-"]
PATHS = ["/", "/track/QH-{}", "/api/scan", "/api/labels/QH-{}.zpl", "/track?ref=QH-{}&lang=nl"]
RUBBISH = [
    "",
    "-",
    r"\x16\x03\x01\x00\xEE \x01 \x00",
    "GET /track?ref=QH 204 418 HTTP/1.1",
    "GET /label for dock 3.zpl HTTP/1.1",
    "quit 500 12",
]
ODD_NAMES = [
    *("dock 3.log", " two  blanks .log", "late\nshift.log", "\n.log", 'it\'s "new".log', "*.log"),
    *("-n.log", "[a-z]?.log", "$HOME.log", "back\\slash.log", "é.log", "archive.log/in it.log"),
]


# --- logs, and what the report on them must be ----------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One request: `day` as 2025-03-09, `text` as nginx logs it."""

    day: str
    client: str
    status: int
    size: int
    text: str


class Logs:
    """Draws log lines; days lie up to ten months before the anchor, so months and years change."""

    def __init__(self, rng, anchor):
        self.rng = rng
        self.days = [anchor - timedelta(days=1 + rng.below(300)) for _ in range(7)]
        self.clients = [f"10.20.30.{n}" for n in rng.sample(range(2, 250), 9)]
        self.clients += [f"203.0.113.{n}" for n in rng.sample(range(2, 250), 9)]
        self.clients += [f"2001:db8:{rng.below(9999)}::{n}" for n in range(1, 4)]

    def line(self, request=None, client="", size=-1):
        rng = self.rng
        at = rng.choice(self.days)
        at = at.replace(hour=rng.below(24), minute=rng.below(60), second=rng.below(60))
        client = client or rng.choice(self.clients)
        status = rng.weighted(list(STATUSES), list(STATUSES.values()))
        size = rng.below(48_000) if size < 0 else size
        if request is None:
            path = rng.choice(PATHS).format(rng.between(100_000, 199_999))
            request = f"{rng.choice(['GET', 'GET', 'POST'])} {path} HTTP/1.1"
        stamp = f"{at.day:02d}/{MONTHS[at.month - 1]}/{at.year}:{at:%H:%M:%S %z}"
        tail = f'"{request}" {status} {size} "-" "{rng.choice(AGENTS)}"'
        day = f"{at.year}-{at.month:02d}-{at.day:02d}"
        return Line(day, client, status, size, f"{client} - - [{stamp}] {tail}\n")

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def rubbish(self, count):
        return [self.line(request=RUBBISH[number % len(RUBBISH)]) for number in range(count)]

    def equals(self, others):
        """Two more clients whose bytes are the same, and more than anybody's of `others`."""
        size = 1 + max(bytes for _, bytes in by_client(others).values())
        return [self.line(client=name, size=size) for name in ("198.51.100.9", "198.51.100.10")]


def text(lines):
    return "".join(line.text for line in lines).encode()


def packed(lines):
    return gzip.compress(text(lines), mtime=0)


def expected(lines, params, times=1):
    """The report on `lines`, were each of them there `times` times."""
    if params.flavour == "days":
        rows = sorted(by_day(lines).items())
        columns = ["day", "requests", "client_errors", "server_errors"]
    else:
        clients = by_client(lines).items()
        rows = sorted(clients, key=lambda row: (-row[1][1], row[0]))[: params.top]
        columns = ["client", "requests", "bytes"]
    table = [columns, *([name, *(times * number for number in row)] for name, row in rows)]
    return "".join(params.separator.join(map(str, row)) + "\n" for row in table)


def by_day(lines):
    rows = {}
    for line in lines:
        row = rows.setdefault(line.day, [0, 0, 0])
        row[0] += 1
        row[1] += 400 <= line.status <= 499
        row[2] += 500 <= line.status <= 599
    return rows


def by_client(lines):
    rows = {}
    for line in lines:
        row = rows.setdefault(line.client, [0, 0])
        row[0] += 1
        row[1] += line.size
    return rows


@pytest.fixture
def logs(rng, anchor):
    return Logs(rng, anchor)


# --- the fresh machine, where the script is tried -------------------------------------------------


# What a run left: `report` is None where there is none, `others` counts other files.
Ran = namedtuple("Ran", "rc stderr report others")
YESTERDAY = "the report of yesterday\n"

AFRESH = """
rm -rf %s && find /tmp /var/tmp -user %s -delete
mkdir -p %s %s && chown %s %s && tar -x -f - -C %s
"""
# Says the exit code, an x for each other file that is there, the report, whether there is one.
RUN = """
runuser -u %s -- sh -c '
    cd / && export HOME=/ PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 &&
    ulimit -t "$1" && shift &&
    timeout -k 2 "$@" < /dev/null' sh{words} > /dev/null
echo $?
find %s /tmp /var/tmp -user %s -type f ! -path %s -printf x
echo
cat %s 2> /dev/null
printf '\\n%%s' $?
"""


class Trial:
    """The learner's script, copied to the fresh machine and run there on a folder of logs."""

    def __init__(self, hosts, params, phase, hidden, secret):
        self.work, self.runner = hosts["work"], hosts["runner"]
        self.tool = f"/usr/local/bin/{params.tool}"
        self.phase, self.hidden, self.secret = phase, hidden, secret
        self.logs, self.out = f"{TRIAL}/in", f"{TRIAL}/out"
        self.report = f"{self.out}/{params.flavour}.csv"

    @cached_property
    def script(self):
        """What all checks of this phase try."""
        return read_script(self.work, self.tool)

    @cached_property
    def machine(self):
        """The fresh machine, with the script in its place."""
        self.runner.put(self.tool, self.script, mode=0o755)
        self.runner.run("rm -rf /usr/bin/perl* /usr/bin/python3*")
        return self.runner

    @cached_property
    def ended(self):
        """The marks of what ended before the reboot."""
        line = f"cat {ENDED} && rm {ENDED}"
        return self.work.run(line).lines if self.phase == "after" else []

    def mark(self, check, how):
        """What stands for this end of this check of this script in this grade."""
        return sha256(f"{self.secret} {check} {how} {self.script}".encode()).hexdigest()

    def keep(self, mark):
        if self.hidden and self.phase == "before":
            self.work.run("umask 077 && echo %s >> %s", mark, ENDED)

    def afresh(self, files):
        """Nothing of an earlier check is left; these files are in the folder of logs."""
        folders = self.logs, self.out, ACCOUNT, self.out, self.logs
        self.unpack(files, AFRESH, TRIAL, ACCOUNT, *folders)

    def lay(self, files):
        """Puts more files into the folder of logs."""
        self.unpack(files, "tar -x -f - -C %s", self.logs)

    def unpack(self, files, command, *arguments):
        """`files`: name → bytes; None: a folder; str: a link."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                data = content if isinstance(content, bytes) else b""
                entry.size, entry.mtime = len(data), 1_700_000_000
                if content is None:
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                elif isinstance(content, str):
                    entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry, io.BytesIO(data))
        reply = self.machine.run(command, *arguments, stdin=stream.getvalue())
        if reply.rc:
            raise RuntimeError(f"the logs cannot be laid: {reply.stderr}")

    def run(self, *arguments, seconds=SECONDS, processor=PROCESSOR_SECONDS):
        """Runs the script with `arguments`; without any, as the ticket says."""
        words = [seconds, self.tool, *(arguments or (self.logs, self.report))]
        line = RUN.format(words=" %s" * (1 + len(words)))
        after = self.out, ACCOUNT, self.report, self.report
        told = self.machine.run(line, ACCOUNT, processor, *words, *after, timeout=seconds + 10)
        much = "it says more than a megabyte, or its report is as large"
        assert not told.truncated, f"{self.tool}: {much}"
        code, _, rest = told.stdout.partition("\n")
        assert code.isdigit(), f"{self.tool}: the shell that ran it was killed"
        others, _, rest = rest.partition("\n")
        report, _, missing = rest.rpartition("\n")
        rc = int(code)
        assert rc != TIMED_OUT, f"{self.tool} had not ended after {seconds} seconds"
        assert rc != KILLED, f"{self.tool} was killed: it takes too much memory, or does not end"
        spent = f"{self.tool} needs more than {processor} seconds of processor time"
        assert rc != KILLED_BY_LIMIT, spent
        return Ran(rc, told.stderr, None if missing != "0" else report, len(others))

    def place(self, report):
        self.machine.put(self.report, report, owner=f"{ACCOUNT}:{ACCOUNT}")

    def must_report(self, wanted, about, **limits):
        ran = self.run(**limits)
        assert ran.rc == 0, f"{about}: exit code {ran.rc} instead of 0; {brief(ran.stderr)}"
        assert ran.report is not None, f"{about}: the script ends well, but wrote no report"
        compare(ran.report, wanted, about)
        return ran

    def must_refuse(self, code, about, *arguments):
        """The report of yesterday, placed there before, must stay."""
        ran = self.run(*arguments)
        assert ran.rc == code, f"{about}: the exit code is {ran.rc}, not {code}"
        assert ran.stderr.strip(), f"{about}: there is nothing on stderr"
        assert ran.report == YESTERDAY, f"{about}: the older report did not stay as it was"
        assert ran.others == 0, f"{about}: other files are left behind"


@pytest.fixture(scope="module")
def trial(hosts, params, phase, hidden, rng):
    return Trial(hosts, params, phase, hidden, rng.child("marks").bytes(16).hex())


def tried(test):
    """A check of the script alone, on a machine that is new: so it is not tried again after the
    reboot while the script is the same to the byte."""

    @wraps(test)
    def check(trial, **more):
        passed, failed = (trial.mark(test.__name__, how) for how in ("passed", "failed"))
        if passed in trial.ended:
            return
        assert failed not in trial.ended, "it is the script that failed before the reboot"
        try:
            test(trial=trial, **more)
        except AssertionError:
            trial.keep(failed)
            raise
        trial.keep(passed)

    return check


def read_script(work, path):
    found = work.run("test -f %s && test -x %s && cat %s", path, path, path)
    assert found.rc == 0, f"there is no executable file {path} on work"
    script = found.stdout
    assert re.match(r"#!.*\bbash\b", script), f"{path}: its first line does not say that it is Bash"
    return script


def compare(seen, wanted, about):
    ours, theirs = wanted.splitlines(), seen.splitlines()
    for number, (one, other) in enumerate(zip(theirs, ours, strict=False), start=1):
        shown = f"line {number} of the report is “{brief(one)}”, not “{other}”"
        assert one == other, f"{about}: {shown}"
    number = len(theirs), len(ours)
    assert number[0] == number[1], f"{about}: the report has {number[0]} lines, not {number[1]}"
    assert seen == wanted, f"{about}: the report does not end in one line break"


def brief(said):
    said = " ".join(said.split())
    return said if len(said) <= 160 else said[:159] + "…"


# --- the script -----------------------------------------------------------------------------------


@pytest.mark.check("report-right", points=20)
@tried
def test_report_is_right(trial, params, logs):
    """The report on a folder of plain logs is right."""
    here, below, none = logs.lines(180), logs.lines(90), text(logs.lines(20))
    here += logs.equals(here + below)
    files = {"access.log": text(here), "branch": None, "branch/desk": None, "empty.log": b""}
    files |= {"branch/desk/access.log": text(below), "latest.log": "access.log"}
    trial.afresh(files | {"access.log.bak": none, "access.log.1": none, "access_log": none})
    trial.must_report(expected(here + below, params), "plain logs, some in a folder below")


@pytest.mark.check("compressed", points=10, needs="report-right")
@tried
def test_compressed_logs(trial, params, logs):
    """Compressed logs count like the others."""
    plain, older, oldest = logs.lines(60), logs.lines(80), logs.lines(40)
    files = {"access.log": text(plain), "older.log.gz": packed(older), "site": None}
    files |= {"site/oldest.log.gz": packed(oldest), "quiet.log.gz": packed([])}
    trial.afresh(files | {"photos.gz": gzip.compress(b"not a log\n")})
    trial.must_report(expected(plain + older + oldest, params), "logs, some of them .log.gz")


@pytest.mark.check("rubbish-requests", points=10, needs="report-right")
@tried
def test_rubbish_requests(trial, params, logs):
    """Requests that are rubbish do not move the columns."""
    lines = logs.lines(30) + logs.rubbish(48)
    trial.afresh({"access.log": text(lines)})
    trial.must_report(expected(lines, params), "a log with requests like “quit 500 12”")


@pytest.mark.check("odd-names", points=10, needs="report-right")
@tried
def test_odd_names(trial, params, logs):
    """File names may hold anything: blanks, line breaks, quotes, stars."""
    parts = {name: logs.lines(6) for name in ODD_NAMES}
    trial.afresh({"archive.log": None, **{name: text(part) for name, part in parts.items()}})
    lines = [line for part in parts.values() for line in part]
    trial.must_report(expected(lines, params), "blanks, line breaks and quotes in names of logs")


@pytest.mark.check("runs-again", points=10, needs="report-right")
@tried
def test_runs_again(trial, params, logs):
    """Run again, it replaces its report and leaves nothing else behind."""
    first, more = logs.lines(70), logs.lines(30)
    trial.afresh({"access.log": text(first)})
    trial.place("an older report\n" * 40)
    trial.must_report(expected(first, params), "with an older report in its place")
    trial.must_report(expected(first, params), "run a second time")
    trial.lay({"access-2.log": text(more)})
    ran = trial.must_report(expected(first + more, params), "run again after one more log came")
    assert ran.others == 0, "it leaves other files behind, beside the report or in /tmp"


@pytest.mark.check("exit-codes", points=10, needs="report-right")
@tried
def test_exit_codes(trial, params, logs):
    """Its exit codes tell what happened, and a failure leaves the old report alone."""
    trial.afresh({"access.log": text(logs.lines(50)), "quiet.log": b""})
    trial.place(YESTERDAY)
    trial.must_refuse(2, "with one argument", trial.logs)
    trial.must_refuse(2, "with three arguments", trial.logs, trial.report, "more")
    trial.must_refuse(3, "LOGDIR does not exist", f"{TRIAL}/nowhere", trial.report)
    trial.must_refuse(3, "LOGDIR is a file", f"{trial.logs}/access.log", trial.report)
    trial.lay({"cut.log.gz": packed(logs.lines(200))[:-900]})
    trial.must_refuse(3, "a compressed log is cut off in the middle", trial.logs, trial.report)
    trial.machine.run("cd %s && rm cut.log.gz && chmod 0 access.log", trial.logs)
    trial.must_refuse(3, "a log may not be read", trial.logs, trial.report)
    trial.machine.run("cd %s && rm access.log", trial.logs)
    trial.must_report(expected([], params), "a folder with nothing but an empty log")


@pytest.mark.check("million-lines", points=10, needs="report-right", seconds=PATIENCE + 30)
@tried
def test_million_lines(trial, params, logs):
    """A million lines are no trouble."""
    block, times = logs.lines(800), 1250
    trial.afresh({"block": text(block)})
    trial.machine.run("cd %s && yes block | head -n %s | xargs cat > all.log", trial.logs, times)
    wanted = expected(block, params, times)
    trial.must_report(wanted, "a million lines", seconds=PATIENCE, processor=MINUTE)


@pytest.mark.check("shellcheck", points=5, needs="report-right")
@tried
def test_shellcheck(trial):
    """shellcheck finds nothing."""
    bare = DIRECTIVE.sub("#", trial.script)
    reply = trial.machine.run("shellcheck --norc --shell=bash --format=gcc -", stdin=bare)
    assert reply.rc == 0, f"shellcheck finds, among others: {brief(' '.join(reply.lines[:2]))}"


# --- the timer ------------------------------------------------------------------------------------


def shown(work, unit):
    """The properties of a unit as systemd has them, by name."""
    reply = work.run("TZ=UTC LC_ALL=C systemctl show %s", unit)
    return dict(line.partition("=")[::2] for line in reply.lines)


@pytest.mark.check("service", points=10, needs="report-right", seconds=2 * PATIENCE)
def test_service_makes_the_report(hosts, params, trial):
    """The service makes the report of the portal's logs, as the account reports."""
    work, unit = hosts["work"], f"{params.tool}.service"
    seen = shown(work, unit)
    assert seen.get("LoadState") == "loaded", f"there is no {unit} on work"
    user = seen.get("User") or "root"
    assert user == ACCOUNT, f"{unit} runs as {user}, not as {ACCOUNT}"
    aside = "/run/report-of-before"
    work.run("mv -f %s %s", params.report, aside)
    line = "timeout %s systemctl start --wait %s"
    started = work.run(line, PATIENCE, unit, timeout=PATIENCE + 10)
    owner = work.run("stat -c %%U %s", params.report)
    if owner.rc:
        work.run("mv -f %s %s", aside, params.report)
    assert started.rc == 0, f"systemctl start {unit} fails: {brief(started.stderr)}"
    assert owner.rc == 0, f"{unit} ran, but left no {params.report}"
    assert owner.stdout == f"{ACCOUNT}\n", f"{params.report} belongs to {owner.stdout.strip()}"
    trial.afresh({})
    ran = trial.run(f"{LOGS}/portal", trial.report, seconds=PATIENCE)
    compare(work.read(params.report), ran.report or "", f"{params.report}, of the portal's logs")


@pytest.mark.check("timer", points=5, needs="service")
def test_timer_waits(hosts, params, anchor):
    """The timer waits for the right moment, and makes up for a missed one."""
    unit = f"{params.tool}.timer"
    seen = shown(hosts["work"], unit)
    assert seen.get("LoadState") == "loaded", f"there is no {unit} on work"
    assert seen["ActiveState"] == "active", f"{unit} is {seen['ActiveState']}: it starts nothing"
    assert seen["Unit"] == f"{params.tool}.service", f"{unit} starts {seen['Unit']}"
    days = "Mon..Fri " if params.weekdays == "Monday to Friday" else ""
    moment = f"OnCalendar={days}*-*-* {params.clock}:00"
    wanted = rf"\{{ {re.escape(moment)}(?: Europe/Amsterdam)? ;[^}}]*\}}"
    calendar = seen.get("TimersCalendar", "")
    assert re.fullmatch(wanted, calendar), f"{unit} has “{brief(calendar)}”, not {moment}"
    assert seen["Persistent"] == "yes", f"{unit} does not make up for a run that was missed"
    told = re.fullmatch(r"\S+ (.{19}) UTC", seen["NextElapseUSecRealtime"])
    assert told, f"{unit} has no next run"
    local = datetime.fromisoformat(f"{told[1]}+00:00").astimezone(anchor.tzinfo)
    late = (local - local.replace(hour=params.hour, minute=params.minute, second=0)).seconds
    assert late <= 600, f"the next run is at {local:%H:%M}, not at {params.clock}"


# --- what must stay -------------------------------------------------------------------------------


def lost(hosts, folder):
    """Files below `folder` that are not on work as they were; the fresh machine has them all."""
    sums = "find %s -type f -exec sha256sum -z {} +"
    then = set(hosts["runner"].run(sums, folder).stdout.split("\0"))
    now = set(hosts["work"].run(sums, folder).stdout.split("\0"))
    return ", ".join(sorted(line[66:] for line in then - now))


@pytest.mark.guard("logs", cap=50)
def test_logs_are_as_they_were(hosts):
    """The portal's logs are as they were."""
    assert not (gone := lost(hosts, LOGS)), f"changed or gone: {brief(gone)}"


@pytest.mark.guard("other-reports", cap=60)
def test_other_reports_are_as_they_were(hosts):
    """The other reports and the example are as they were."""
    assert not (gone := lost(hosts, REPORTS)), f"changed or gone: {brief(gone)}"
