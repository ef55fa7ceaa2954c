"""powershell-onboarding: the script makes of HR's lists what was agreed, and nothing else."""

import csv
import io
import json
import re
import unicodedata
from collections import namedtuple
from datetime import date, timedelta

import pytest

pytestmark = pytest.mark.scenario("scripting/powershell-onboarding")

TODAY = "/srv/onboarding/inbox/starters.csv"
ACCOUNTS = "/srv/onboarding/accounts/accounts.json"
REJECTS = "/srv/onboarding/accounts/rejects.csv"
TRIAL = "/srv/trial"
ACCOUNT = "onboard"
SECONDS = 25  # for one run
QUIET = "LANG=C.UTF-8 DOTNET_EnableDiagnostics=0 POWERSHELL_TELEMETRY_OPTOUT=1"
COLUMNS = ["Staff number", "First name", "Last name", "Department", "Start date"]
APART = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d"}
FIRST = ["Anna", "Jan", "Emma", "Tom", "Lena", "Mark", "Julia", "Peter", "Sara", "David", "Ella"]
LAST = ["Novak", "Larsen", "Peeters", "Fischer", "Olsen", "Maes", "Weber", "Nagy", "Kaya", "Costa"]
ACCENTS = (
    "Zoé/Lefèvre Søren/Øvergaard Łukasz/Zając Émile/Nuñez Åsa/Björk Œdipe/Cœur Jürgen/Groß"
    " Ana/Łęcka Ægir/Bjørnæs Đorđe/Ćosić Ştefan/Ionaşcu Jiří/Dvořák Siân/O\u2019Brien Mei_Lin/Zhao"
    " Jean-Luc/D'Angelo Renée/van_der_Ÿn Ñico/Ibáñez"
)
LONG = ["Maximiliane/Oberhausen-Linz", "Christopher/van Wassenaer", "Alexandrina/Papadopoulou"]
REMARKS = ["laptop, phone", "key; badge", 'a "standing" desk', "gate 3\nof 4", "gate 4\r\nof 5", ""]
BAD_NUMBERS = ["2105", "021055", "O2105", "02105a", "2 105"]
BAD_NAMES = ["李", "-", "Ольга", "'"]  # nothing from a to z
BAD_DEPARTMENTS = ["Customs", "IT", "Financial", "Sales & Co", "hr", "Warehouse 2"]


# --- lists, and what must come of them ------------------------------------------------------------


# Accounts by staff number, and (row, reason) of what is refused. What a run said, and left: files.
Outcome = namedtuple("Outcome", "accounts rejects")
Ran = namedtuple("Ran", "rc said errors files")


class HR:
    """Draws rows of lists, tables from heading to value, and knows what must come of them."""

    def __init__(self, rng, params, company, anchor, fault):
        self.rng, self.params, self.company, self.fault = rng, params, company, fault
        self.today = anchor.date()
        self.departments = {title.lower(): title for title in company.departments.values()}
        self.groups = {title: key for key, title in company.departments.items()}
        self.numbers = iter(rng.sample(range(400, 99_000), 300))
        self.names = iter(rng.shuffled([f"{first}/{last}" for first in FIRST for last in LAST]))

    def row(self, name="", **values):
        """A good row for `First/Last`, but for `values` by the first word of a heading."""
        first, last = (name or next(self.names)).split("/")
        number, department = f"{next(self.numbers):05d}", self.rng.choice(list(self.groups))
        row = dict(zip(COLUMNS, [number, first, last, department, self.day()], strict=True))
        words = {heading.split()[0].lower(): heading for heading in COLUMNS}
        return row | {words[word]: value for word, value in values.items()}

    def rows(self, count):
        return [self.row() for _ in range(count)]

    def day(self):
        when = self.today + timedelta(days=self.rng.below(90))
        return self.written(f"{when.day:02d}", f"{when.month:02d}", f"{when.year}")

    def written(self, day, month, year):
        """A date as HR writes it."""
        form = self.params.day_form
        return form.replace("yyyy", year).replace("MM", month).replace("dd", day)

    def no_days(self):
        year = f"{self.today.year + 1}"
        parts = [("31", "02"), ("00", "05"), ("12", "13"), ("1", "4")]
        return [*(self.written(*part, year) for part in parts), f"{year}-05-12", "soon"]

    def csv(self, rows, columns=COLUMNS, end="\n", mark="", quoting=csv.QUOTE_MINIMAL):
        """The list as bytes. A row ends with the last value that it has."""
        text, separator = io.StringIO(), self.params.separator
        writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
        writer.writerow(columns)
        for row in rows:
            values = [row.get(column) for column in columns]
            while values and values[-1] is None:
                values.pop()
            writer.writerow(values)
        return (mark + text.getvalue()).encode()

    def read(self, text):
        """The lines of a CSV text, its headings first."""
        file = io.StringIO(text.removeprefix("\ufeff"), newline="")
        return [line for line in csv.reader(file, delimiter=self.params.separator) if line]

    def outcome(self, rows, accounts=()):
        """What must come of `rows` where there are `accounts` already."""
        kept = {one["staffNumber"]: one for one in accounts}
        rejects, seen = [], set()
        for row in rows:
            values = number, first, last, department, start = [tidy(row.get(x)) for x in COLUMNS]
            again = self.fault == "keep" and number in seen
            if reason := self.reason(*values) or ("duplicate" if again else ""):
                rejects += [(row, reason)] if any(map(tidy, row.values())) else []
                continue
            seen.add(number)
            if number in kept and self.fault == "keep":
                continue
            known = kept.get(number)
            name = known["userName"] if known else self.user_name(first, last, kept.values())
            department = self.departments[department.lower()]
            kept[number] = {
                "staffNumber": number,
                "userName": name,
                "displayName": f"{first} {last}",
                "mail": f"{name}@{self.company.domain}",
                "department": department,
                "groups": ["staff", self.groups[department]],
                "startDate": self.real_day(start),
            }
        return Outcome(kept, rejects)

    def reason(self, number, first, last, department, start):
        if not all((number, first, last, department, start)):
            return "missing"
        if not re.fullmatch("[0-9]{5}", number):
            return "number"
        if not (letters(first) and letters(last)):
            return "name"
        if department.lower() not in self.departments:
            return "department"
        return "" if self.real_day(start) else "date"

    def real_day(self, text):
        """The day as 2025-04-01, or nothing."""
        pattern = re.escape(self.params.day_form)
        for part, digits in (("dd", 2), ("MM", 2), ("yyyy", 4)):
            pattern = pattern.replace(part, rf"(?P<{part}>[0-9]{{{digits}}})")
        try:
            found = re.fullmatch(pattern, text).groupdict()
            return date(*(int(found[part]) for part in ("yyyy", "MM", "dd"))).isoformat()
        except (AttributeError, ValueError):
            return ""

    def user_name(self, first, last, accounts):
        taken = {one["userName"] for one in accounts}
        whole, end, number = f"{letters(first)}.{letters(last)}", "", 1
        while (name := whole[: self.params.longest - len(end)] + end) in taken:
            number += 1
            end = f"{number:0{self.params.digits}d}"
        return name


def tidy(value):
    return " ".join((value or "").split())


def letters(name):
    plain = "".join(APART.get(char, char) for char in name.lower())
    return re.sub("[^a-z]", "", unicodedata.normalize("NFD", plain))


@pytest.fixture
def hr(rng, params, company, anchor, fault):
    return HR(rng, params, company, anchor, fault)


# --- the fresh machine, where the script is tried -------------------------------------------------


class Trial:
    """The learner's script, copied to the fresh machine and run there with a folder of its own."""

    def __init__(self, hosts, hr, name="list.csv"):
        self.machine, self.hr, self.script = hosts["runner"], hr, hr.params.script
        self.machine.put(self.script, read_script(hosts, self.script))
        self.list, self.folder, self.home = f"{TRIAL}/{name}", f"{TRIAL}/out", f"{TRIAL}/home"
        owned = self.folder, self.home
        line = "rm -rf %s && mkdir -p %s %s && chown %s %s %s"
        self.machine.run(line, TRIAL, *owned, ACCOUNT, *owned)

    def lay(self, content, name=""):
        """Lays the list, or a file of Destination."""
        path = f"{self.folder}/{name}" if name else self.list
        self.machine.put(path, content, owner=f"{ACCOUNT}:{ACCOUNT}")

    def lay_accounts(self, accounts):
        self.lay(json.dumps(list(accounts), ensure_ascii=False, indent=2), "accounts.json")

    def files(self):
        found = self.machine.run("cd %s && find . -mindepth 1 -printf '%%P\\0'", self.folder)
        names = [name for name in found.stdout.split("\0") if name]
        return {name: self.machine.run("cat %s/%s", self.folder, name).stdout for name in names}

    def stamps(self):
        """What changes when a file of Destination, or the list, is written."""
        line = "find %s %s -type f -exec stat -c '%%n %%i %%s %%y' {} +"
        return sorted(self.machine.run(line, self.folder, self.list).lines)

    def run(self, *more, source="", folder=""):
        """Runs the script as the ticket says, without rights, and without programs to call."""
        line = f"cd / && timeout -k 2 %s env -i HOME=%s PATH=%s {QUIET} /usr/bin/pwsh -NoProfile"
        line += " -NonInteractive -File %s -Path %s -Destination %s" + " %s" * len(more)
        values = [SECONDS, self.home, f"{self.home}/none", self.script, source or self.list]
        values += [folder or self.folder, *more]
        limit = SECONDS + 10
        reply = self.machine.run(f"{line} < /dev/null", *values, user=ACCOUNT, timeout=limit)
        assert reply.rc not in (124, 137), f"the script had not ended after {SECONDS} seconds"
        return Ran(reply.rc, reply.stdout + reply.stderr, reply.stderr, self.files())

    def must_do(self, wanted, about):
        """The run does what is wanted; its exit code, beyond *done*, is another check's."""
        ran = self.run()
        said = brief(ran.errors) or "nothing on stderr"
        assert ran.rc in (0, 2), f"{about}: exit code {ran.rc} instead of 0 or 2; {said}"
        same_accounts(ran.files.get("accounts.json", "[]"), wanted.accounts, about)
        same_rejects(self.hr.read(ran.files.get("rejects.csv", "")), wanted.rejects, about)
        return ran

    def must_refuse(self, about, **other):
        before = self.stamps()
        ran = self.run(**other)
        assert ran.rc == 3, f"{about}: the exit code is {ran.rc}, not 3"
        assert ran.errors.strip(), f"{about}: there is nothing on stderr"
        assert self.stamps() == before, f"{about}: Destination did not stay as it was"


def read_script(hosts, path):
    reply = hosts["work"].run("test -f %s && cat %s", path, path)
    assert reply.rc == 0, f"there is no file {path} on work"
    return reply.stdout


def array_of(text):
    """The accounts in the text, or None where it is no array of accounts."""
    try:
        found = json.loads(text.removeprefix("\ufeff"))
    except ValueError:
        return None
    right = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    return found if right else None


def same_accounts(text, wanted, about):
    """The accounts in the text are those wanted, in any order."""
    found = array_of(text)
    assert found is not None, f"{about}: accounts.json is not an array of accounts in JSON"
    numbers = [one.get("staffNumber") for one in found]
    for number in numbers:
        what = f"{about}: staffNumber {json.dumps(number, ensure_ascii=False)}"
        assert isinstance(number, str), f"{what} is not a text"
        assert numbers.count(number) == 1, f"{what} is there {numbers.count(number)} times"
        assert number in wanted, f"{what} should have no account"
    for number, account in wanted.items():
        whose = f"{about}: {account['displayName']} ({number})"
        assert number in numbers, f"{whose} has no account"
        same_account(found[numbers.index(number)], account, whose)


def same_account(found, wanted, whose):
    for field, value in wanted.items():
        assert field in found, f"{whose} has no {field}"
        texts = [json.dumps(one, ensure_ascii=False) for one in (found[field], value)]
        seen, right = (unicodedata.normalize("NFC", one) for one in texts)
        assert seen == right, f"{whose}: {field} is {brief(seen)}, not {right}"


def same_rejects(lines, wanted, about):
    """The refused rows are those wanted, in order and whole, each with its reason."""
    headings, rows = (lines[0], lines[1:]) if lines else ([], [])
    for place, (row, reason) in enumerate(wanted):
        who = " ".join(tidy(row.get(name)) or "?" for name in COLUMNS[:3])
        assert place < len(rows), f"{about}: “{who}” is not in rejects.csv ({reason})"
        where = f"{about}: row {place + 1} of rejects.csv (“{who}”)"
        seen = dict(zip(headings, map(tidy, rows[place]), strict=False))
        for name, value in [*row.items(), ("Reason", reason)]:
            said = f"{where}: {name} is “{brief(seen.get(name, ''))}”, not “{brief(value)}”"
            assert seen.get(name) == tidy(value), said
        assert headings[-1] == "Reason", f"{where}: the last column is not Reason"
    more = rows[len(wanted) :]
    assert not more, f"{about}: rejects.csv has rows too many, as “{brief(' '.join(more[0]))}”"


def brief(said):
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", said).split())
    return said if len(said) <= 160 else said[:159] + "…"


# --- the script -----------------------------------------------------------------------------------


@pytest.mark.check("accounts-right", points=15)
def test_accounts_are_right(hosts, hr):
    """A plain list becomes accounts, in a folder where there were none."""
    trial, rows = Trial(hosts, hr), hr.rows(7)
    rows[2] |= {"Start date": hr.written("03", "04", "2027"), "Staff number": "00071"}
    rows[5] |= {"Start date": hr.written("29", "02", "2028")}
    trial.lay(hr.csv(rows))
    trial.must_do(hr.outcome(rows), "a plain list")


@pytest.mark.check("names", points=10, needs="accounts-right")
def test_names(hosts, hr):
    """User names have no accents, blanks or hyphens, whatever the colleagues are called."""
    trial, every = Trial(hosts, hr), [name.replace("_", " ") for name in ACCENTS.split()]
    apart = [unicodedata.normalize("NFD", f"{name} Vos") for name in every[:4]]
    rows = [hr.row(name) for name in hr.rng.sample(every, 12) + apart]
    trial.lay(hr.csv(rows))
    trial.must_do(hr.outcome(rows), "names with accents and hyphens")


@pytest.mark.check("unique-names", points=10, needs="accounts-right")
def test_names_are_unique(hosts, hr):
    """Namesakes get the lowest number that is free, and no name is too long."""
    trial = Trial(hosts, hr)
    there = hr.outcome([hr.row("Anna/Berg") for _ in range(4)] + [hr.row(LONG[0])]).accounts
    there = [one for one in there.values() if not one["userName"].endswith("2")]
    names = ["Anna/Berg", "Ánna/Berg", "An-na/BERG", "Jo/van den Berg", "Jo/Vandenberg"]
    rows = [hr.row(name) for name in hr.rng.shuffled([*names, *LONG, *LONG])]
    trial.lay_accounts(there)
    trial.lay(hr.csv(rows))
    trial.must_do(hr.outcome(rows, there), "namesakes")


@pytest.mark.check("rejects", points=15, needs="accounts-right")
def test_rejects(hosts, hr):
    """Rows that cannot become accounts are refused with their reason, and stop nothing."""
    trial, rng, good = Trial(hosts, hr), hr.rng, hr.rows(4)
    bad = [hr.row(**{word: ""}) for word in ("staff", "first", "last", "department", "start")]
    bad += [hr.row(staff=number) for number in rng.sample(BAD_NUMBERS, 3)]
    bad += [hr.row(last=rng.choice(BAD_NAMES)), hr.row(first=rng.choice(BAD_NAMES))]
    bad += [hr.row(department=name) for name in rng.sample(BAD_DEPARTMENTS, 2)]
    bad += [hr.row(start=day) for day in hr.no_days()]
    bad += [hr.row(staff="2105", start="soon"), hr.row(department="Customs", last="")]
    bad += [{"Staff number": "02104", "First name": "Kim"}, hr.row(start="soon", department="?")]
    early = hr.row("Eva/Rossi", start="soon")  # it takes neither the name nor the number
    twice = good[0] | {"Department": "Finance", "Start date": hr.day()}
    late = [early | {"Start date": hr.day()}, twice, hr.row("Eva/Rossi")]
    rows = [*rng.shuffled(good + bad), early, *late]
    trial.lay(hr.csv(rows))
    trial.must_do(hr.outcome(rows), "a list with bad rows")


@pytest.mark.check("odd-lists", points=10, needs="accounts-right")
def test_odd_lists(hosts, hr):
    """Lists are read however Excel wrote them, and one colleague alone makes an array, too."""
    trial = Trial(hosts, hr, name="starters, week 12 [final].csv")
    rows = [row | {"Remarks": note} for row, note in zip(hr.rows(6), REMARKS, strict=True)]
    rows[0] |= {"First name": "  Ann\u00a0 Marie ", "Last name": "\u00a0Smit"}
    rows[1] |= {"Department": f" {rows[1]['Department'].upper()} "}
    rows[2] |= {"Staff number": f" {rows[2]['Staff number']}\u00a0"}
    rows[3] |= {"Start date": f"{rows[3]['Start date']} "}
    rows[4] |= {"Start date": "\u00a0"}
    columns = hr.rng.shuffled([*COLUMNS, "Remarks"])
    rows[3:3] = [{}, dict.fromkeys(columns, "")]
    trial.lay(hr.csv(rows, columns, "\r\n", "\ufeff", csv.QUOTE_ALL))
    trial.must_do(hr.outcome(rows), "a list with byte order mark, quotes and blanks")
    trial, alone = Trial(hosts, hr), hr.rows(1)
    trial.lay(hr.csv(alone))
    trial.must_do(hr.outcome(alone), "a list of one colleague")


@pytest.mark.check("runs-again", points=10, needs="accounts-right")
def test_runs_again(hosts, hr):
    """Run again, it changes nothing; with the next list it goes on from there."""
    trial, rows = Trial(hosts, hr), hr.rows(5)
    rows += [hr.row(start="soon"), rows[1] | {"Department": "Finance"}]
    trial.lay("an older file\n", "rejects.csv")
    trial.lay(hr.csv(rows))
    wanted = hr.outcome(rows)
    first = trial.must_do(wanted, "a first list")
    second = trial.must_do(wanted, "the same list again")
    for name, content in first.files.items():
        assert second.files.get(name) == content, f"run again on the same list, {name} is another"
    more = ", ".join(sorted(first.files.keys() - {"accounts.json", "rejects.csv"}))
    assert not more, f"it leaves other files in Destination: {brief(more)}"
    namesake = hr.row(f"{rows[0]['First name']}/{rows[0]['Last name']}")
    changed = [rows[2] | {"Start date": hr.written("01", "02", "2029")}]
    changed += [rows[3] | {"Last name": "Moss-Vermeer"}, rows[4]]
    later = [namesake, *changed, *hr.rows(2)]
    trial.lay(hr.csv(later))
    trial.must_do(hr.outcome(later, wanted.accounts.values()), "the next list")


@pytest.mark.check("whatif", points=10, needs="accounts-right")
def test_whatif(hosts, hr):
    """With -WhatIf it changes nothing, and says what it would do."""
    trial, known = Trial(hosts, hr), hr.rows(2)
    there = hr.outcome(known).accounts.values()
    rows = [*hr.rows(3), known[0] | {"Start date": hr.written("01", "02", "2029")}]
    rows.append(hr.row(start=""))
    wanted = hr.outcome(rows, there)
    trial.lay_accounts(there)
    trial.lay("the rejects of last week\n", "rejects.csv")
    trial.lay(hr.csv(rows))
    before = trial.stamps()
    ran = trial.run("-WhatIf")
    assert ran.rc in (0, 2), f"-WhatIf: exit code {ran.rc} instead of 0 or 2; {brief(ran.errors)}"
    assert trial.stamps() == before, "-WhatIf: Destination is not what it was"
    said = "".join(ran.said.split())
    names = [one["userName"] for one in wanted.accounts.values() if one not in there]
    unsaid = [name for name in names if name not in said]
    assert not unsaid, f"-WhatIf does not name {', '.join(unsaid)}"
    trial.must_do(wanted, "without -WhatIf")


@pytest.mark.check("exit-codes", points=10, needs="accounts-right")
def test_exit_codes(hosts, hr):
    """Its exit codes tell what happened, and a failure changes nothing."""
    trial, rows = Trial(hosts, hr), hr.rows(2)
    bad = [*rows, hr.row(), hr.row(start="soon")]
    for laid, more, code in ((rows, [], 0), (bad, ["-WhatIf"], 2), (bad, [], 2)):
        trial.lay(hr.csv(laid))
        rc = trial.run(*more).rc
        about = " ".join(["a list with a bad row" if code else "a list without mistakes", *more])
        assert rc == code, f"{about}: the exit code is {rc}, not {code}"
    trial.must_refuse("the list does not exist", source=f"{TRIAL}/nothing.csv")
    trial.must_refuse("Destination does not exist", folder=f"{TRIAL}/nowhere")
    trial.lay(hr.csv(hr.rows(2), COLUMNS[:4]))
    trial.must_refuse("the list has no column Start date")
    trial.lay(hr.csv(hr.rows(2)))
    trial.lay(trial.files().get("accounts.json", "[]")[:-40], "accounts.json")
    trial.must_refuse("accounts.json is cut off")


@pytest.mark.check("help", points=5, needs="accounts-right")
def test_help(hosts, params):
    """Get-Help can say what the script is for, and what its parameters mean."""
    script = read_script(hosts, params.script)
    comments = re.findall(r"<#.*?#>|^[ \t]*#.*$", script, re.DOTALL | re.MULTILINE)
    said, keyword = {}, ""
    for line in "\n".join(comments).splitlines():
        line = line.strip("<#> \t\r")
        if line.startswith("."):
            keyword = " ".join(line.lower().split())
        elif line:
            said.setdefault(keyword, line)
    for wanted in (".SYNOPSIS", ".PARAMETER Path", ".PARAMETER Destination"):
        assert wanted.lower() in said, f"{params.script}: no comment has {wanted} and words on it"


@pytest.mark.check("todays-list", points=5, needs="accounts-right")
def test_todays_list(hosts, hr):
    """Today's list has become accounts, and its bad rows are among the rejects."""
    work, runner = hosts["work"], hosts["runner"]
    headings, *lines = hr.read(runner.read(TODAY))
    rows = [dict(zip(headings, line, strict=False)) for line in lines]
    wanted = hr.outcome(rows, json.loads(runner.read(ACCOUNTS)))
    same_accounts(work.read(ACCOUNTS), wanted.accounts, "today's list")
    same_rejects(hr.read(work.read(REJECTS)), wanted.rejects, "today's list")


# --- what must stay -------------------------------------------------------------------------------


@pytest.mark.guard("people-kept", cap=50)
def test_colleagues_keep_their_accounts(hosts, hr):
    """Who had an account before has it still, under the same user name."""
    found = array_of(hosts["work"].read(ACCOUNTS)) or []
    now = {one.get("staffNumber"): one for one in found}
    listed = {line[0] for line in hr.read(hosts["runner"].read(TODAY))}
    for one in json.loads(hosts["runner"].read(ACCOUNTS)):
        number, whose = one["staffNumber"], f"{ACCOUNTS}: {one['displayName']}"
        assert number in now, f"{whose} is gone"
        may_change = hr.fault == "update" and number in listed
        kept = {name: one[name] for name in ("userName", "mail")} if may_change else one
        same_account(now[number], kept, whose)


@pytest.mark.guard("hr-lists", cap=60)
def test_list_is_as_it_was(hosts):
    """HR's list is as HR sent it."""
    sums = {hosts[name].run("sha256sum %s", TODAY).stdout for name in ("work", "runner")}
    assert len(sums) == 1, f"{TODAY} is not what HR sent"
