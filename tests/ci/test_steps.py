"""The templates' steps, run in order from the files; internbox itself is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ci.hosted import CI, COMMIT, EXAMPLE, SHELL, Job, environment, github, gitlab, shell

pytestmark = pytest.mark.slow

BOTH = "linux/first-day linux/web-service-down"
Template = Callable[..., Job]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example repository, with what a student might add who wants to be graded by it."""
    folder = tmp_path_factory.mktemp("checkouts") / "anna"
    shutil.copytree(EXAMPLE, folder)
    for name in ("sandbox.py", "sitecustomize.py", "json.py", "ensurepip.py", "pip.py", "venv.py"):
        (folder / name).write_text("raise SystemExit('the checkout is running')\n")
    (folder / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/\n")
    (folder.parent / "elsewhere").mkdir()
    (folder / "internbox-reports").symlink_to(folder.parent / "elsewhere")
    return folder


def on_github(tmp: Path, checkout: Path, wheel: Path, **more: Any) -> Job:
    environ = {name: more.pop(name) for name in list(more) if name.isupper()}
    inputs = {"scenarios": BOTH, "internbox": str(wheel), **more}
    return github(tmp, checkout, inputs, **environ)


def on_gitlab(tmp: Path, checkout: Path, wheel: Path, **more: Any) -> Job:
    environ = {name: more.pop(name) for name in list(more) if name.isupper()}
    inputs = {"scenarios": BOTH, "internbox": str(wheel), **more}
    return gitlab(tmp, checkout, inputs, **environ)


def by_shell(tmp: Path, checkout: Path, wheel: Path, **more: Any) -> Job:
    environ = {name: more.pop(name) for name in list(more) if name.isupper()}
    letters = {"registry": "-r", "seed": "-s", "pass": "-p", "fixes": "-f"}
    options = ["-i", str(wheel), "-c", COMMIT]
    for name, value in more.items():
        options += [letters[name], str(value)]
    return shell(tmp, checkout, options, *BOTH.split(), **environ)


@pytest.fixture(scope="module", params=[on_github, on_gitlab, by_shell], ids=lambda f: f.__name__)
def template(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def job(
    template: Template, stand_in: Any, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Job:
    """The template as it comes, in a checkout that means ill; every variable of Python, too."""
    stand_in.log.write_text("")
    hostile = {"PYTHONPATH": str(checkout), "PYTHONHOME": str(checkout)}
    registry = {"registry": "registry.example/internbox"}
    tmp = tmp_path_factory.mktemp("job")
    return template(
        tmp, checkout, stand_in.wheel, **registry, STAND_IN=str(stand_in.log), **hostile
    )


def test_it_passes(job: Job) -> None:
    assert job.status == 0, job.log


def test_the_images_come_first(job: Job, stand_in: Any) -> None:
    words = [call["words"][:2] for call in stand_in.calls if call["words"] != ["images", "list"]]

    assert words[0] == ["images", "build"]
    assert words[1][0] == "run"
    assert stand_in.call("build")["words"][2:] == BOTH.split()


def test_all_scenarios_are_graded_at_once(job: Job, stand_in: Any) -> None:
    assert stand_in.call("run")["words"][1:3] == BOTH.split()


def test_nothing_of_the_checkout_is_python_of_ours(job: Job, stand_in: Any) -> None:
    assert all(call["isolated"] for call in stand_in.calls)
    assert "the checkout is running" not in job.log


def test_the_checkout_is_where_it_works_and_the_fixes_are_in_it(job: Job, stand_in: Any) -> None:
    assert (Path(stand_in.call("run")["cwd"]) / "fixes/linux/first-day/fix.sh").is_file()
    assert stand_in.options()["--fixes"] == "fixes"


def test_every_student_has_a_seed_of_their_own(job: Job, stand_in: Any) -> None:
    assert stand_in.call("run")["env"]["INTERNBOX_SEED"] in ("school/anna", "anna")


def test_the_commit_is_told(job: Job, stand_in: Any) -> None:
    assert stand_in.options()["--commit"] == COMMIT


def test_everything_must_pass_unless_said_otherwise(job: Job, stand_in: Any) -> None:
    assert stand_in.options()["--pass"] == "100"


def test_the_registry_is_asked_for_images(job: Job, stand_in: Any) -> None:
    for command in ("build", "run"):
        assert stand_in.call(command)["env"]["INTERNBOX_REGISTRY"] == "registry.example/internbox"


def test_the_reports_are_kept(job: Job) -> None:
    assert job.kept == {"grades.json": "--json", "grades.md": "--markdown", "junit.xml": "--junit"}


def test_a_link_in_the_checkout_leads_no_report_elsewhere(job: Job, checkout: Path) -> None:
    assert list((checkout.parent / "elsewhere").iterdir()) == []


def test_a_grade_that_fails_fails_the_job_and_keeps_the_reports(
    template: Template, stand_in: Any, checkout: Path, tmp_path: Path
) -> None:
    stand_in.log.write_text("")
    says = {"STAND_IN": str(stand_in.log), "STAND_IN_SAYS": "1"}

    job = template(tmp_path, checkout, stand_in.wheel, **says, **{"pass": 60})

    assert job.status == 1
    assert job.kept["junit.xml"] == "--junit"
    assert stand_in.options()["--pass"] == "60"


def test_a_kept_environment_follows_when_another_edition_is_wanted(
    stand_in: Any, checkout: Path, tmp_path: Path
) -> None:
    stand_in.log.write_text("")
    newer = tmp_path / "newer" / stand_in.wheel.name
    newer.parent.mkdir()
    shutil.copy(stand_in.wheel, newer)
    with zipfile.ZipFile(newer, "a") as wheel:
        wheel.writestr("sandbox/newer.py", "")
    kept = tmp_path / "kept"

    def graded(job_name: str, wheel: Path) -> tuple[bool, int]:
        """Whether it was by the newer edition, and when that was installed."""
        environ = {"STAND_IN": str(stand_in.log)}
        folder = tmp_path / job_name
        folder.mkdir()
        job = shell(folder, checkout, ["-i", str(wheel), "-e", str(kept)], BOTH, **environ)
        assert job.status == 0, job.log
        (installed,) = kept.glob("lib/python*/site-packages/sandbox")
        return (installed / "newer.py").exists(), installed.stat().st_mtime_ns

    first, again = graded("first", stand_in.wheel), graded("again", stand_in.wheel)
    then = graded("then", newer)

    assert first == again
    assert not first[0]
    assert then[0]


def test_the_signal_of_a_cancelled_job_on_github_reaches_internbox(
    stand_in: Any, checkout: Path, tmp_path: Path
) -> None:
    """The runner signals the step's first process, which is then internbox and not a shell."""
    stand_in.log.write_text("")

    on_github(tmp_path, checkout, stand_in.wheel, STAND_IN=str(stand_in.log))

    assert stand_in.call("run")["by"] == os.getpid()


def test_the_script_hands_a_signal_on_and_waits(
    stand_in: Any, checkout: Path, tmp_path: Path
) -> None:
    stand_in.log.write_text("")
    environ = environment(tmp_path, STAND_IN=str(stand_in.log), STAND_IN_TAKES="60")
    words = ["-i", str(stand_in.wheel), str(checkout), str(tmp_path / "reports"), BOTH]
    with subprocess.Popen([CI / SHELL, *words], env=environ) as script:
        while not any(call["words"][0] == "run" for call in stand_in.calls):
            assert script.poll() is None
            time.sleep(0.05)
        script.terminate()

        assert script.wait(30) == 130
