"""A learner who is root tries to mislead, stop or outlast the grader."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from shlex import quote
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sandbox import readiness, reports
from sandbox.errors import InternboxError
from sandbox.grading import sealed, taking
from sandbox.grading.results import Grade
from tests.integration.conftest import FIRST_DAY, Internbox, Worked, eventually

pytestmark = [pytest.mark.engine, pytest.mark.slow]

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def solved(internbox: Internbox) -> Iterator[Worked]:
    """The first day, with its work done."""
    labs = internbox.labs()
    worked = Worked(labs, labs.start(FIRST_DAY).id)
    worked.mend()
    yield worked
    labs.stop([worked.attempt])
    labs.store.close()


@pytest.fixture
def machine(solved: Worked) -> Iterator[Worked]:
    """The same, to be ruined: it is made anew afterwards."""
    yield solved
    solved.reset()
    solved.mend()


# --- what a machine prints --------------------------------------------------------------------


def test_a_flood_of_output_ends_at_the_limit(machine: Worked) -> None:
    machine.run(
        "systemctl stop print-log; truncate -s 1G /var/log/print-log/pages.log;"
        "sed -i 's/^EVERY=.*/EVERY=600/' /etc/default/print-log;"  # no short line comes after it
        "systemctl start print-log"
    )
    begun = time.monotonic()

    log, status = machine.check().checks

    assert not log.before
    assert status.before
    assert time.monotonic() - begun < 60


@pytest.fixture(scope="module")
def hostile_name(internbox: Internbox) -> Iterator[Grade]:
    """The check of a web server on which a file's name is an attack; a guard's message shows it."""
    labs = internbox.labs()
    worked = Worked(labs, labs.start("linux/web-service-down", fault="port-taken").id)
    worked.mend()
    name = r"x\e[2J\e]0;owned\a\x01\x9b31m\xff]]><script>alert(1)<!--&\n\u202e[a](b)|@all"
    worked.run(f"cd /srv/www/*/public; touch $'{name}'; chmod o+w ./x*", host="web")
    yield worked.check()
    labs.stop([worked.attempt])
    labs.store.close()


def test_a_message_drives_no_terminal(hostile_name: Grade) -> None:
    (broken,) = [guard for guard in hostile_name.guards if not guard.held]

    assert "everybody on the machine may write /srv/www/" in broken.message
    assert "script" in broken.message
    assert not CONTROLS.search(broken.message)
    assert not CONTROLS.search(reports.render(hostile_name, "text"))


def test_a_junit_report_of_hostile_bytes_can_be_parsed(hostile_name: Grade) -> None:
    suite = Xml.fromstring(reports.render(hostile_name, "junit")).find("testsuite")

    assert suite is not None
    assert "<script>" in "".join(suite.itertext()) + str(
        [failure.attrib for failure in suite.iter("failure")]
    )


def test_a_markdown_report_of_hostile_bytes_holds_no_markup(hostile_name: Grade) -> None:
    text = reports.render(hostile_name, "markdown")

    assert not re.search(r"(?<!\\)<script", text)
    assert not re.search(r"@all", text)


# --- ways to stop a grade ---------------------------------------------------------------------


def test_a_grader_whose_server_is_killed_says_so(machine: Worked) -> None:
    killer = "while :; do pkill -9 -x dropbear; pkill -9 -x machine; sleep 0.02; done"
    machine.run(f"systemd-run --quiet bash -c {killer!r}", check=False)

    grade = machine.grade()

    assert (grade.outcome, grade.score) == ("failed", 0)
    assert "another machine on the same engine" in grade.lost["desk"]
    assert machine.check().score == 100, "the reboot has not mended the doors"


def test_a_rack_that_somebody_restarts_costs_the_learner_nothing(internbox: Internbox) -> None:
    labs = internbox.labs()
    worked = Worked(labs, labs.start("linux/web-service-down", fault="port-taken").id)
    worked.mend()
    _, record = labs.machines(worked.attempt)
    labs.runtime.restart(record.rack)

    assert worked.run("echo here", host="web").stdout == "here\n"
    labs.runtime.restart(record.rack)
    assert worked.check().score == 100
    assert worked.grade().score == 100
    labs.stop([worked.attempt])
    labs.store.close()


def test_a_measurement_that_is_killed_is_not_clean(machine: Worked) -> None:
    killer = "while :; do pkill -9 -f 'machine measure'; sleep 0.02; done"
    machine.run(
        "truncate -s 250M /usr/local/large\n"  # so that measuring takes its time
        f"printf '%s\\n' '#!/bin/bash' {quote(killer)} > /srv/killer; chmod +x /srv/killer\n"
        + at_boot("/srv/killer")
    )

    grade = machine.grade()

    assert (grade.outcome, grade.counts) == ("tampered", 0)
    assert grade.tampered == [taking.UNMEASURED]


def test_full_file_systems_in_memory_are_gone_with_the_reboot(machine: Worked) -> None:
    machine.run("for f in /tmp /run /run/lock; do cat /dev/zero > $f/fill || true; done")

    grade = machine.grade()

    assert grade.lost == {}
    assert [check.after for check in grade.checks] == [True, True]


def test_a_fork_bomb_stays_within_its_limit_and_the_grade_ends(machine: Worked) -> None:
    machine.run(
        "echo 'b() { b | b & }; b; sleep 600' > /srv/bomb\n"
        "systemd-run --quiet -p TasksMax=infinity bash /srv/bomb",
        check=False,
    )
    bringer, record = machine.labs.machines(machine.attempt)
    limit = bringer.loaded.settings.hosts["desk"].pids

    def processes() -> int:
        engine: Any = bringer.runtime
        told = engine.engine.api.stats(record.hosts["desk"].container, stream=False, one_shot=True)
        return int(told["pids_stats"].get("current", 0))

    assert eventually("it bursts", lambda: processes() > limit // 2)
    assert processes() <= limit
    grade = machine.grade()

    assert all(check.after for check in grade.checks) or set(grade.lost) == {"desk"}
    assert processes() < limit // 2, "the reboot has not ended it"


def test_no_lock_keeps_the_grader_out_of_a_machine_that_works(machine: Worked) -> None:
    machine.run(
        "printf '%s\\n' 'flush ruleset' 'table inet shut {'"
        " 'chain in { type filter hook input priority 0; policy drop; }'"
        " 'chain out { type filter hook output priority 0; policy drop; }' '}'"
        " > /etc/nftables.conf\n"
        "systemctl enable nftables; systemctl disable ssh; gpasswd -d intern sudo || true\n"
        "rm -rf /etc/sudoers.d /etc/pam.d /home/intern/.ssh /root\n"
        "sed -i 's,^root:.*,root:!:0:0::/nonexistent:/usr/sbin/nologin,' /etc/passwd\n"
        "systemd-run --quiet --on-active=1 sh -c 'systemctl stop ssh; nft -f /etc/nftables.conf'"
    )
    eventually("it is shut", lambda: machine.run("true", check=False).returncode != 0)

    grade = machine.grade()

    assert (grade.outcome, grade.score, grade.tampered) == ("passed", 100, [])


def test_a_resolver_of_systemd_s_is_an_honest_days_work(machine: Worked) -> None:
    machine.run(
        "mkdir -p /run/systemd/resolve; echo > /run/systemd/resolve/stub-resolv.conf\n"
        "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"
    )

    assert machine.grade().score == 100


# --- tools ------------------------------------------------------------------------------------


def test_replaced_and_deleted_tools_are_named_until_they_are_put_back(machine: Worked) -> None:
    lie = '#!/bin/bash\nexec /srv/tail "$@"\n'
    machine.run(
        f"cp -a /usr/bin/tail /usr/bin/jq /srv; printf %s {quote(lie)} > /usr/bin/tail\n"
        "rm /usr/bin/jq"
    )
    forged = machine.grade()
    machine.run("cp -a /srv/tail /srv/jq /usr/bin; rm /srv/tail /srv/jq")
    restored = machine.grade()

    assert (forged.outcome, forged.score, forged.counts) == ("tampered", 100, 0)
    assert forged.tampered == ["/usr/bin/jq", "/usr/bin/tail"]
    assert (restored.outcome, restored.tampered, restored.counts) == ("passed", [], 100)


def test_a_path_that_drives_a_terminal_is_named_harmlessly(machine: Worked) -> None:
    machine.run(
        "d=$(echo /usr/lib/*-linux-gnu)/glibc-hwcaps/$'\\x9b2J\\e]0;owned\\a\\n\\u202e'\n"
        'mkdir -p "$d"; cp "$(readlink -f "${d%/glibc*}/libcrypt.so.1")" "$d/libcrypt.so.1"'
    )

    (path,) = machine.grade().tampered

    assert path.endswith("/libcrypt.so.1")
    assert not CONTROLS.search(path)
    assert "\n" not in path


# Traces the grader's server and all that comes of it: who reads the report reads another name in
# it, and who measures again finds no file of the real one. (strace puts in 1024 bytes at most.)
FORGER = """\
#!/bin/bash
forged=$(sed 's,/usr/lib64/libz.so.1,/usr/lib64/libq.so.1,' /opt/internbox/boot/report \
    | head -c 1024 | od -An -v -tx1 | tr -d ' \\n')
exec strace -f -qq -o /dev/null -p "$(pgrep -f '^/opt/internbox/machine serve')" \
    -P /opt/internbox/boot/report -P libz.so.1 -e trace=read,newfstatat \
    -e inject=read:poke_exit=@arg2=$forged:when=1 -e inject=newfstatat:error=ENOENT
"""


def unchecked(report: bytes, _: str) -> sealed.Report:
    """As if a report were believed whatever its seal."""
    first, _, listing = report.decode().partition("\n")
    return sealed.Report(float(first.removeprefix("boot\t")), listing)


def test_a_report_that_is_forged_on_its_way_out_is_not_believed(
    machine: Worked, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(
        "mkdir -p /usr/lib64; touch /usr/lib64/libz.so.1\n"
        f"printf %s {quote(FORGER)} > /srv/forger; chmod +x /srv/forger\n" + at_boot("/srv/forger")
    )

    grade = machine.grade()
    with monkeypatch.context() as patch:
        patch.setattr(sealed, "opened", unchecked)
        believed = machine.grade()

    assert believed.tampered == [], "what is told is not forged well: this tests nothing"
    assert (grade.outcome, grade.score, grade.counts) == ("tampered", 100, 0)
    assert grade.tampered == [taking.FORGED]


def test_the_key_of_the_seal_is_never_shown(internbox: Internbox, solved: Worked) -> None:
    _, record = solved.labs.machines(solved.attempt)
    commands = [["status"], ["history"], ["check"], ["show", FIRST_DAY], ["ticket"], ["gc"]]

    shown = [internbox(*command, "--format", "json") for command in commands]

    seal = record.hosts["desk"].seal
    assert len(seal) == 64
    assert not [one for one in shown if seal in one.stdout + one.stderr]
    assert seal not in json.dumps(solved.labs.attempt(solved.attempt), default=repr)


# --- machines that do not come back -----------------------------------------------------------


def at_boot(command: str) -> str:
    """A script that makes `command` a service of every boot, early and wanted by all."""
    unit = f"""\
[Unit]
DefaultDependencies=no
[Service]
ExecStart={command}
[Install]
WantedBy=sysinit.target
"""
    return (
        f"printf %s {quote(unit)} > /etc/systemd/system/trouble.service\n"
        "systemctl daemon-reload; systemctl enable trouble.service\n"
    )


def laid_at_boot(path: str, script: str) -> str:
    """A script that lays `script` there and makes it a service of every boot."""
    return f"printf %s {quote(script)} > {path}; chmod +x {path}\n" + at_boot(path)


# Comes upon whoever logs in, however fast the boot was.
POWERS_OFF = "#!/bin/bash\nuntil pgrep -x dropbear; do :; done\nkill -s RTMIN+14 1\n"
KILLER = "#!/bin/bash\nwhile :; do pkill -9 -x dropbear; pkill -9 -x machine; sleep 0.02; done\n"
DOOMED = {
    "init-ends": "ln -sf /usr/bin/false /usr/sbin/init",
    "no-target": (
        "rm -f /etc/systemd/system/default.target\n"
        "ln -s /nonexistent /etc/systemd/system/default.target\n"
        "ln -sf /dev/null /etc/systemd/system/sysinit.target\n"
        "for unit in basic.target multi-user.target print-log.service dbus.service;"
        " do ln -sf /dev/null /run/systemd/$unit; ln -sf /dev/null /etc/systemd/system/$unit; done"
    ),
    "doors-killed": laid_at_boot("/srv/killer", KILLER),
    "powers-off": laid_at_boot("/srv/off", POWERS_OFF),
    "hosts-is-a-folder": "rm /etc/hosts; mkdir /etc/hosts",
}


@pytest.fixture(scope="module")
def doomed(internbox: Internbox) -> dict[str, Grade | InternboxError]:
    """A grade of each, taken at the same time: they wait most of it."""

    def ruin(script: str) -> Grade | InternboxError:
        labs = internbox.labs()
        attempt = labs.start(FIRST_DAY).id
        try:
            worked = Worked(labs, attempt)
            worked.mend()
            worked.run(script, check=False)
            return worked.grade()
        except InternboxError as error:
            return error
        finally:
            labs.stop([attempt])
            labs.store.close()

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(DOOMED)) as pool:
        patch.setattr(readiness, "BOOT_SECONDS", 30.0)
        grades = list(pool.map(ruin, DOOMED.values()))
    return dict(zip(DOOMED, grades, strict=True))


@pytest.mark.parametrize("how", DOOMED)
def test_a_machine_that_is_ruined_scores_0_and_is_not_left_ungraded(
    doomed: dict[str, Grade | InternboxError], how: str
) -> None:
    grade = doomed[how]

    assert isinstance(grade, Grade), f"{grade}"
    assert (grade.counts, [check.before for check in grade.checks]) == (0, [True, True])
    assert [check.after for check in grade.checks] == [False, False]


@pytest.mark.parametrize("how", ["init-ends", "doors-killed", "hosts-is-a-folder"])
def test_a_machine_that_does_not_come_back_is_said_to_be_lost(
    doomed: dict[str, Grade | InternboxError], how: str
) -> None:
    grade = doomed[how]

    assert isinstance(grade, Grade), f"{grade}"
    assert (grade.outcome, grade.score) == ("failed", 0)
    assert "did not come back after the reboot" in grade.lost["desk"]
    assert all("internbox console" in check.message for check in grade.checks)
