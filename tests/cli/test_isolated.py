"""`python -I -m sandbox run` in a hostile checkout: nothing of it runs. No engine is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import programs

STRIKE = "import os; open(os.environ['STRUCK'], 'a').close()\n"
COMMAND = ("-m", "sandbox", "run", "linux/first-day", "--fix", "desk=no-such.sh")
MODULES = ("sandbox/__init__.py", "click.py", "msgspec.py", "random.py", "encodings/__init__.py")


@dataclass
class Checkout:
    """A student's repository, in which a job runs. `struck` exists once any code of it has run."""

    folder: Path
    struck: Path

    def write(self, name: str, content: str = STRIKE) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
        return path

    def program(self, name: str) -> None:
        self.write(f"bin/{name}", f"#!/bin/sh\n: >> '{self.struck}'\n")

    def run(
        self, *arguments: str, python: tuple[str, ...] = ("-I",), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DOCKER_", "GITHUB_", "CI_", "INTERNBOX_"))
        }
        state = {"INTERNBOX_HOME": str(self.folder.parent / "state"), "STRUCK": str(self.struck)}
        return subprocess.run(
            [sys.executable, *python, *arguments],
            cwd=self.folder,
            env=kept | state | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return Checkout(folder, tmp_path / "struck")


def refused(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether it was our own command that answered, with what is wrong with the call."""
    return done.returncode == 2 and "no-such.sh: there is no such file" in done.stderr


@pytest.mark.parametrize("name", [*MODULES, "sitecustomize.py", "usercustomize.py"])
@pytest.mark.parametrize("python_path", [False, True])
def test_no_module_of_the_checkout_is_imported(
    checkout: Checkout, name: str, python_path: bool
) -> None:
    checkout.write(name)
    more = {"PYTHONPATH": str(checkout.folder)} if python_path else {}

    assert refused(checkout.run(*COMMAND, **more))
    assert not checkout.struck.exists()


@pytest.mark.parametrize("name", ["sandbox/__init__.py", "click.py", "sitecustomize.py"])
def test_without_isolation_the_same_module_would_run(checkout: Checkout, name: str) -> None:
    checkout.write(name)
    checkout.run(*COMMAND, python=(), PYTHONPATH=str(checkout.folder))

    assert checkout.struck.exists()


GRADE = """
import sys
from pathlib import Path
from sandbox.grading.child import Child
with Child(Path(sys.argv[1])) as grader:
    try:
        grader.go({}, timeout=30)
    except Exception as error:
        print(error)
"""


@pytest.mark.parametrize("settings", ["pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"])
@pytest.mark.parametrize("closed", [True, False])
def test_pytest_s_files_of_the_checkout_reach_no_grader(
    checkout: Checkout, settings: str, closed: bool
) -> None:
    grader = checkout.folder.parent / "test_mine.py"
    grader.write_text("def test_mine():\n    pass\n")
    section = {"setup.cfg": "tool:pytest", "pyproject.toml": "tool.pytest.ini_options"}
    option = "'-p strike'" if settings == "pyproject.toml" else "-p strike"
    checkout.write(settings, f"[{section.get(settings, 'pytest')}]\naddopts = {option}\n")
    checkout.write("strike.py")
    checkout.write("conftest.py")
    where = {"PYTHONPATH": str(checkout.folder)}
    if closed:
        assert "the grader" in checkout.run("-c", GRADE, str(grader), **where).stdout
    else:
        checkout.run("-m", "pytest", str(grader), "-c", settings, python=(), **where)

    assert checkout.struck.exists() is not closed


PLAN = """
import os, sys
from pathlib import Path
if {protected}:
    from sandbox import programs
    os.environ["PATH"] = programs.safe_path(os.environ, Path.cwd())
from sandbox.runtime.endpoint import find
find()
"""


@pytest.mark.parametrize("protected", [True, False])
def test_ssh_is_not_taken_from_the_checkout(checkout: Checkout, protected: bool) -> None:
    checkout.program("ssh")
    path = os.pathsep.join(["bin", str(checkout.folder / "bin"), os.defpath])
    code = PLAN.format(protected=protected)
    checkout.run("-c", code, PATH=path, DOCKER_HOST="ssh://nobody@127.0.0.1:1")

    assert checkout.struck.exists() is not protected


def test_a_run_on_an_engine_behind_ssh_starts_no_ssh_of_the_checkout(checkout: Checkout) -> None:
    checkout.program("ssh")
    checkout.program("docker")
    checkout.write("fix.sh", "true\n")
    path = os.pathsep.join(["bin", "", str(checkout.folder / "bin"), "/nowhere"])
    done = checkout.run(
        *COMMAND[:-1], "desk=fix.sh", PATH=path, DOCKER_HOST="ssh://nobody@127.0.0.1:1"
    )

    assert done.returncode == 3, done.stderr
    assert not checkout.struck.exists()


def test_ansible_is_not_taken_from_the_checkout(checkout: Checkout) -> None:
    checkout.program("ansible-playbook")
    checkout.write("site.yml", "- hosts: all\n")
    path = os.pathsep.join([str(checkout.folder / "bin"), "/nowhere"])
    done = checkout.run(*COMMAND[:-1], "desk=site.yml", "--ansible", PATH=path)

    assert done.returncode == 2
    assert "none on PATH outside the checkout" in done.stderr
    assert not checkout.struck.exists()


def test_git_s_settings_of_the_checkout_run_nothing(checkout: Checkout) -> None:
    checkout.program("strike")
    strike = checkout.folder / "bin" / "strike"
    checkout.write(
        ".git/config",
        f"[core]\nrepositoryformatversion = 0\nfsmonitor = {strike}\npager = {strike}\n",
    )
    checkout.write(".git/HEAD", "ref: refs/heads/main\n")

    assert refused(checkout.run(*COMMAND))
    assert not checkout.struck.exists()


def test_scenarios_and_graders_of_the_checkout_are_not_used(checkout: Checkout) -> None:
    checkout.write("graders/linux/test_first_day.py")
    checkout.write("scenarios/linux/first-day/scenario.toml", "title = 1\n")
    checkout.write("linux/first-day/scenario.toml", "title = 1\n")

    assert refused(checkout.run(*COMMAND))
    assert not checkout.struck.exists()


def test_a_scenario_of_the_checkout_that_is_named_needs_somebody_s_trust(
    checkout: Checkout,
) -> None:
    checkout.write("scenarios/linux/mine/scenario.toml", "title = 1\n")
    done = checkout.run("-m", "sandbox", "run", "scenarios/linux/mine", "--untouched")

    assert done.returncode == 2
    assert "is not trusted" in done.stderr


# --- $PATH ------------------------------------------------------------------------------------


@pytest.fixture
def path_of(tmp_path: Path) -> Callable[..., list[str]]:
    def found(*entries: str, **environ: str) -> list[str]:
        given = {"PATH": os.pathsep.join(entries), **environ}
        return programs.safe_path(given, tmp_path).split(os.pathsep)

    return found


def test_entries_of_path_that_a_checkout_can_fill_are_left_out(
    path_of: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "link").symlink_to(tmp_path / "bin")
    other = tmp_path.parent / "workspace"
    kept = path_of(
        "/usr/bin",
        "",
        ".",
        "bin",
        str(tmp_path),
        str(tmp_path / "bin"),
        str(outside / "link"),
        str(other / "bin"),
        str(outside),
        GITHUB_WORKSPACE=str(other),
    )

    assert kept == ["/usr/bin", str(outside)]


def test_in_the_root_folder_every_program_is_still_found(tmp_path: Path) -> None:
    assert programs.safe_path({"PATH": "/usr/bin:/bin"}, Path("/")) == "/usr/bin:/bin"
