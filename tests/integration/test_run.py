"""`internbox run` on the real engine: what a pipeline gets of right, wrong and hostile fixes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sandbox import scenarios, variants
from sandbox.attempts import Labs
from sandbox.paths import ScenarioFiles, builtin_content
from tests.integration.conftest import BIN, FIRST_DAY, Internbox, eventually, owned

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FIRST = ScenarioFiles(builtin_content(), "linux/first-day")
MEND = (FIRST.solution("zone-unset") / "mend.sh").read_text()
SOLUTION = """\
title = "In two steps"

[[steps]]
host = "desk"
script = "first.sh"
reboot = true

[[steps]]
host = "desk"
script = "second.sh"
"""
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: the zone is taken away where it is set
      ansible.builtin.raw: |
        sudo sed -i 's/^TZ=/#TZ=/' /etc/default/print-log
        sudo rm -f /etc/systemd/system/print-log.service.d/*.conf
        sudo systemctl daemon-reload && sudo systemctl restart print-log
"""
SIGTERM_MOMENTS = 5
CLEAN_SECONDS = 7.5  # from GitHub's first signal to its next, which cannot be caught


@dataclass
class Pipeline:
    """A job with a checkout of its own, and one person's state folder."""

    internbox: Internbox
    folder: Path

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    @property
    def temporary(self) -> Path:
        return self.folder.parent / "tmp"

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI_"))}
        self.temporary.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-I", "-m", "sandbox", "run", *words],
            cwd=self.folder,
            env=kept
            | {"INTERNBOX_HOME": str(self.internbox.root), "TMPDIR": str(self.temporary)}
            | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, exit_code: int = 0, **environment: str) -> Any:
        """The report of a run that ends with this code."""
        process = self.start(*words, "--format", "json", **environment)
        out, err = process.communicate(timeout=300)
        assert process.returncode == exit_code, f"{out}\n{err}"
        return json.loads(out)


@pytest.fixture
def pipeline(internbox: Internbox, tmp_path: Path) -> Pipeline:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return Pipeline(internbox, folder)


@pytest.fixture(scope="module")
def labs(internbox: Internbox) -> Iterator[Labs]:
    labs = internbox.labs()
    yield labs
    labs.store.close()


def assert_nothing_left(pipeline: Pipeline, labs: Labs) -> None:
    """Neither on the engine nor on this computer."""
    assert owned(labs) == []
    assert labs.store.attempts() == []
    folder = pipeline.internbox.root / "attempts"
    assert not folder.exists() or list(folder.iterdir()) == []
    assert list(pipeline.temporary.iterdir()) == []


def test_a_playbook_is_run_by_the_real_ansible(pipeline: Pipeline, labs: Labs) -> None:
    """Machines need no Python for it: `raw` runs what it is given."""
    pipeline.write("site.yml", PLAYBOOK)
    words = (FIRST_DAY, "--fix", "desk=site.yml", "--ansible", "--seed", "abc")
    report = pipeline(*words, PATH=f"{BIN}:{os.environ['PATH']}")

    (run,) = report["runs"]
    assert run["step_failed"] is None
    assert (run["outcome"], run["score"]) == ("passed", 100)
    assert run["runner_code"] is True
    assert_nothing_left(pipeline, labs)


def test_two_scenarios_at_once_one_mended_and_one_not(pipeline: Pipeline, labs: Labs) -> None:
    pipeline.write("fixes/linux/first-day/desk.sh", MEND)
    pipeline.write("fixes/linux/first-day/note.md", "It is mended.\n")
    pipeline.write("fixes/web-service-down/10-web.sh", "echo no luck >&2\nexit 3\n")
    pipeline.write("fixes/web-service-down/20-web.sh", "sudo touch /srv/never\n")
    words = (FIRST_DAY, "linux/web-service-down", "--fixes", "fixes", "--seed", "abc")
    report = pipeline(*words, "--junit", "junit.xml", exit_code=1, GITHUB_SHA="f00ba4")

    first, second = report["runs"]
    assert (first["scenario"], first["outcome"], first["score"]) == (FIRST_DAY, "passed", 100)
    assert first["note"]["accepted"] is False
    assert (second["outcome"], second["score"]) == ("failed", 0)
    assert second["step_failed"] == {
        "step": "10-web.sh",
        "host": "web",
        "exit_code": 3,
        "why": "ended with 3",
        "output": "no luck",
    }
    assert (report["commit"], report["seed"]) == ("f00ba4", "abc")
    assert {len(run["content_hash"]) for run in report["runs"]} == {16}
    files = [s.attrib["file"] for s in Xml.parse(pipeline.folder / "junit.xml").iter("testsuite")]
    assert files == ["fixes/linux/first-day/desk.sh", "fixes/web-service-down/10-web.sh"]
    assert_nothing_left(pipeline, labs)


def test_a_fix_that_no_machine_could_run_takes_no_other_with_it(pipeline: Pipeline) -> None:
    pipeline.write("fixes/first-day/desk.sh", MEND)
    pipeline.write("fixes/web-service-down/web.sh", "true\r\n")
    words = (FIRST_DAY, "linux/web-service-down", "--fixes", "fixes")
    report = pipeline(*words, "--junit", "junit.xml", exit_code=2)

    [run], [wrong] = report["runs"], report["ungraded"]
    assert run["outcome"] == "passed"
    assert wrong["wrong_fix"]
    assert "web.sh:1: the line ends in CRLF" in wrong["message"]
    errors = Xml.parse(pipeline.folder / "junit.xml").iter("error")
    assert [error.attrib["message"] for error in errors] == [wrong["message"]]


def test_the_threshold_is_for_all(pipeline: Pipeline) -> None:
    pipeline.write("nothing.py", "print('looked at it')\n")

    assert pipeline(FIRST_DAY, "--fix", "desk=nothing.py", "--pass", "0")["ok"] is True
    assert pipeline(FIRST_DAY, "--fix", "desk=nothing.py", "--pass", "1", exit_code=1)


def test_a_fix_that_locks_everybody_out_failed_and_is_not_ungraded(pipeline: Pipeline) -> None:
    lock = "sudo systemctl disable --now ssh.socket ssh.service\nsudo pkill -o sshd || true\n"
    pipeline.write("desk.sh", MEND + lock)
    report = pipeline(FIRST_DAY, "--fix", "desk=desk.sh", exit_code=1)

    [run] = report["runs"]
    assert (run["outcome"], run["score"]) == ("failed", 0)
    assert "lets nobody in over SSH" in run["lost"]["desk"]
    assert report["ungraded"] == []


def test_a_fix_that_makes_new_host_keys_locks_nobody_out(pipeline: Pipeline) -> None:
    anew = "sudo rm /etc/ssh/ssh_host_*\nsudo ssh-keygen -A\nsudo systemctl try-restart ssh\n"
    pipeline.write("desk.sh", MEND + anew)

    [run] = pipeline(FIRST_DAY, "--fix", "desk=desk.sh")["runs"]
    assert (run["outcome"], run["lost"]) == ("passed", {})


def test_a_script_may_reboot_its_machine(pipeline: Pipeline) -> None:
    pipeline.write("1-desk.sh", MEND + "sudo systemctl reboot\n")
    pipeline.write("2-desk.sh", "#!/bin/sh\nsystemctl is-system-running\n")
    words = ("--fix", "desk=1-desk.sh", "--fix", "desk=2-desk.sh")

    [run] = pipeline(FIRST_DAY, *words)["runs"]
    assert run["step_failed"] is None


def test_a_machine_that_never_boots_again_failed_too(pipeline: Pipeline) -> None:
    pipeline.write("desk.sh", MEND + "sudo rm -f /sbin/init /lib/systemd/systemd\n")
    report = pipeline(FIRST_DAY, "--fix", "desk=desk.sh", exit_code=1)

    [run] = report["runs"]
    assert (run["outcome"], run["score"]) == ("failed", 0)
    assert "did not come back after the reboot" in run["lost"]["desk"]


def test_a_solution_of_several_steps_with_a_reboot(pipeline: Pipeline) -> None:
    boot = "/proc/sys/kernel/random/boot_id"
    pipeline.write("fixes/first-day/solution.toml", SOLUTION)
    pipeline.write("fixes/first-day/first.sh", f"#!/bin/sh\ncat {boot} > ~/boot\n")
    pipeline.write(
        "fixes/first-day/second.sh",
        MEND + f'test "$(cat ~/boot)" != "$(cat {boot})"\necho {{{{ zone }}}}\n',
    )

    [run] = pipeline(FIRST_DAY, "--fixes", "fixes")["runs"]
    assert run["step_failed"] is None


def test_a_fix_of_several_machines_with_a_reboot_between(pipeline: Pipeline) -> None:
    """What the router was told holds when it is back, and only then does the desk try it."""
    files = ScenarioFiles(builtin_content(), "network/wrong-subnet")
    loaded = scenarios.load(files)
    faults = {seed: draw_now(loaded, seed).fault for seed in map(str, range(40))}
    seed = next(seed for seed, fault in faults.items() if fault == "no-forwarding")
    boot = "/proc/sys/kernel/random/boot_id"
    mend = (files.solution("later-sysctl-file") / "router.sh").read_text()
    share = "curl -sf --max-time 3 http://files.quillhaven.example/ > /dev/null"
    folder = "fixes/network/wrong-subnet"
    pipeline.write(f"{folder}/1-desk-pc.sh", f"! {share}\n")
    pipeline.write(f"{folder}/2-router.sh", f"{mend}cat {boot} > ~/boot\n")
    pipeline.write(f"{folder}/3-router.reboot", "")
    pipeline.write(f"{folder}/10-router.sh", f'test "$(cat ~/boot)" != "$(cat {boot})"\n')
    pipeline.write(
        f"{folder}/11-desk-pc.sh", f"for _ in {{1..20}}; do {share} && exit; done; exit 1\n"
    )

    [run] = pipeline("network/wrong-subnet", "--fixes", "fixes", "--seed", seed)["runs"]
    assert run["step_failed"] is None
    assert (run["outcome"], run["score"]) == ("passed", 100)


def draw_now(loaded: scenarios.Loaded, seed: str) -> variants.Variant:
    return variants.draw(loaded, seed=seed, anchor=datetime.now(UTC))


def test_a_folder_is_there_before_the_script_that_needs_it(pipeline: Pipeline) -> None:
    pipeline.write("kit/mend.sh", MEND)
    pipeline.write("go", "#!/bin/sh\nexec bash ~/kit/mend.sh\n")

    [run] = pipeline(FIRST_DAY, "--fix", "desk=go", "--fix", "desk=kit")["runs"]
    assert (run["step_failed"], run["score"]) == (None, 100)


def test_a_step_that_never_ends_is_ended(pipeline: Pipeline) -> None:
    pipeline.write("desk.sh", MEND + "echo waiting\nsleep 600\n")

    [run] = pipeline(FIRST_DAY, "--fix", "desk=desk.sh", "--timeout", "3")["runs"]
    assert run["step_failed"]["why"] == "did not end within 3 seconds"
    assert run["step_failed"]["output"] == "waiting"
    assert run["score"] == 100


def test_a_hostile_checkout_changes_no_grade(pipeline: Pipeline) -> None:
    strike = "import os; open(os.environ.get('STRUCK', '/dev/null'), 'a').close()\n"
    forge = strike + (
        "import pytest\n@pytest.hookimpl(hookwrapper=True)\n"
        "def pytest_runtest_makereport(item, call):\n"
        "    report = (yield).get_result(); report.outcome = 'passed'\n"
    )
    for name in ("sandbox/__init__.py", "click.py", "pytest.py", "sitecustomize.py"):
        pipeline.write(name, strike)
    for name in ("conftest.py", "graders/linux/test_first_day.py", "graders/linux/conftest.py"):
        pipeline.write(name, forge)
    for name in ("pytest.ini", "tox.ini"):
        pipeline.write(name, "[pytest]\naddopts = -p conftest\n")
    pipeline.write("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-p conftest'\n")
    for name in ("docker", "ssh", "python3", "git", "ansible-playbook"):
        pipeline.write(f"bin/{name}", f'#!/bin/sh\n: >> "{pipeline.folder}/struck"\n')
        (pipeline.folder / "bin" / name).chmod(0o755)
    pipeline.write("desk.sh", "echo I did nothing\n")
    report = pipeline(
        FIRST_DAY,
        *("--fix", "desk=desk.sh"),
        exit_code=1,
        STRUCK=str(pipeline.folder / "struck"),
        PATH=os.pathsep.join(["bin", str(pipeline.folder / "bin"), os.environ["PATH"]]),
        PYTHONPATH=str(pipeline.folder),
        PYTEST_ADDOPTS="-p conftest",
        PYTEST_PLUGINS="conftest",
    )

    assert report["runs"][0]["score"] == 0
    assert not (pipeline.folder / "struck").exists()


def test_a_cancelled_run_leaves_nothing_at_whatever_moment(pipeline: Pipeline, labs: Labs) -> None:
    pipeline.write("web.sh", "sleep 2\n")
    words = ("linux/web-service-down", FIRST_DAY, "--fix", "web-service-down/web=web.sh")
    begun = time.monotonic()
    process = pipeline.start(*words, "--untouched")
    process.communicate(timeout=300)
    whole = time.monotonic() - begun
    assert process.returncode == 1

    cancelled = 0
    for moment in range(SIGTERM_MOMENTS):
        begun = time.monotonic()
        process = pipeline.start(*words, "--untouched")
        time.sleep(0.5 + (whole - 1) * moment / SIGTERM_MOMENTS)
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        _, err = process.communicate(timeout=60)
        took = time.monotonic() - told

        if "next:" in err:  # it was done before it was told, on a computer that has become faster
            assert process.returncode == 1, err
            whole = min(whole, told - begun)
            continue
        assert process.returncode == 130, err
        cancelled += 1
        assert took < CLEAN_SECONDS, f"{took:.1f} s at moment {moment}"
        assert_nothing_left(pipeline, labs)
    assert cancelled > SIGTERM_MOMENTS / 2


def test_what_a_killed_run_left_is_found_by_gc(pipeline: Pipeline, labs: Labs) -> None:
    process = pipeline.start(FIRST_DAY, "--untouched")
    eventually("a machine runs", labs.runtime.machines)
    process.kill()
    process.communicate()

    def clean() -> bool:
        labs.gc()
        return owned(labs) == [] and labs.store.attempts() == []

    eventually("gc leaves nothing", clean)


def test_the_command_that_is_installed_is_the_same(pipeline: Pipeline) -> None:
    done = subprocess.run(
        [str(BIN / "internbox"), "run", FIRST_DAY], capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "there is no fix for linux/first-day" in done.stderr
