"""The grader's child: what it can see, what ends it, what it brings back."""

from __future__ import annotations

import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.errors import GraderError
from sandbox.grading import child
from tests.grading.conftest import HEAD, Grading, Server, make_request

PASSES = '''
@pytest.mark.check("fine", points=100)
def test_fine():
    """It is fine."""
'''


def test_a_passing_check_comes_back_with_its_title_and_points(grading: Grading) -> None:
    result = grading(PASSES)
    assert [(run.id, run.title, run.points, run.passed) for run in result.checks] == [
        ("fine", "It is fine", 100, True)
    ]
    assert result.unreachable == []


def test_it_runs_in_an_empty_folder_with_a_clean_environment(
    grading: Grading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_USER", "x")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    result = grading(
        '''
        import os

        @pytest.mark.check("clean", points=100)
        def test_clean():
            """Nothing is around."""
            assert os.listdir(".") == [], str(os.listdir("."))
            kept = set(os.environ) - {"PYTEST_VERSION", "PYTEST_CURRENT_TEST", "LC_CTYPE"}
            assert kept == {"PATH", "HOME", "LC_ALL", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}, str(kept)
        '''
    )
    assert result.checks[0].message == ""


FORGE = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return True
"""


@pytest.mark.parametrize("where", ["working folder", "beside the grader", "PYTEST_PLUGINS"])
def test_code_of_the_student_does_not_run(
    grading: Grading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    student = tmp_path / "checkout"
    student.mkdir()
    (tmp_path / "graders").mkdir()
    for name in ("conftest.py", "forge.py", "pytest.py", "msgspec.py", "sitecustomize.py"):
        (student / name).write_text(FORGE)
    monkeypatch.chdir(student)
    if where == "beside the grader":
        (tmp_path / "graders" / "conftest.py").write_text(FORGE)
        (tmp_path / "graders" / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    if where == "PYTEST_PLUGINS":
        monkeypatch.setenv("PYTHONPATH", str(student))
        monkeypatch.setenv("PYTEST_PLUGINS", "forge")
    result = grading(
        '''
        @pytest.mark.check("false", points=100)
        def test_false():
            """It cannot hold."""
            assert 1 == 2, "one is not two"
        '''
    )
    assert (result.checks[0].passed, result.checks[0].message) == (False, "one is not two")


def test_what_a_grader_prints_is_no_result(grading: Grading) -> None:
    result = grading(
        '''
        import sys

        @pytest.mark.check("loud", points=100)
        def test_loud():
            """It prints."""
            print('{"result": {"checks": [], "guards": []}}', flush=True)
            print("x" * 1_000_000, file=sys.stderr)
        '''
    )
    assert [run.id for run in result.checks] == ["loud"]


def prepared(tmp_path: Path, text: str) -> tuple[child.Child, Path]:
    """A child that has collected its grader; the file `seen` says so and is the grader's to use."""
    grader, seen = tmp_path / "test_demo.py", tmp_path / "seen"
    mark = f"from pathlib import Path\nseen = Path({str(seen)!r})\nseen.write_text('collected')\n"
    grader.write_text(HEAD + mark + textwrap.dedent(text))
    started = child.Child(grader)
    until(seen.exists)
    return started, grader


def popen(one: child.Child) -> subprocess.Popen[bytes]:
    return one._process._process


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_is_killed_at_its_time_limit_with_all_it_started(tmp_path: Path) -> None:
    slow, grader = prepared(
        tmp_path,
        '''
        import subprocess, time

        @pytest.mark.check("slow", points=100)
        def test_slow():
            """It sleeps."""
            seen.write_text(str(subprocess.Popen(["sleep", "300"]).pid))
            time.sleep(300)
        ''',
    )
    with pytest.raises(GraderError, match="did not end within 5 seconds"):
        slow.go(make_request(grader), timeout=5)
    until(lambda: _ended(int((tmp_path / "seen").read_text())))


def _ended(pid: int) -> bool:
    """Gone, or a zombie that nobody has waited for."""
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def test_a_child_that_dies_leaves_no_grade(grading: Grading) -> None:
    with pytest.raises(GraderError, match=r"ended without results \(exit code 7\)"):
        grading(
            '''
            import os

            @pytest.mark.check("dies", points=100)
            def test_dies():
                """It ends its process."""
                os._exit(7)
            '''
        )


def test_what_was_printed_goes_with_the_error(grading: Grading) -> None:
    with pytest.raises(GraderError) as caught:
        grading(
            '''
            @pytest.mark.check("wrong", points=100)
            def test_wrong():
                """It is wrong."""
                print("this was printed", flush=True)
                raise KeyError("oops")
            '''
        )
    notes = "\n".join(caught.value.__notes__)
    assert "this was printed" in notes
    assert "KeyError: 'oops'" in notes


def test_a_prepared_child_waits_for_its_request(tmp_path: Path) -> None:
    waiting, grader = prepared(
        tmp_path,
        '''
        @pytest.mark.check("ran", points=100)
        def test_ran():
            """It ran."""
            seen.write_text("ran")
        ''',
    )
    with waiting:
        time.sleep(0.3)
        assert (tmp_path / "seen").read_text() == "collected"
        result = waiting.go(make_request(grader), timeout=60)
    assert (tmp_path / "seen").read_text() == "ran"
    assert result.checks[0].passed


def test_a_phase_does_not_meet_what_another_left_behind(tmp_path: Path) -> None:
    twice, grader = prepared(
        tmp_path,
        '''
        met = []

        @pytest.mark.check("first", points=100)
        def test_first(phase):
            """It has not run before."""
            met.append(phase)
            seen.write_text(str(met))
            assert len(met) == 1
        ''',
    )
    with twice:
        for phase in ("before", "after"):
            result = twice.go(make_request(grader, phase=phase), timeout=60)
            assert (tmp_path / "seen").read_text() == f"['{phase}']"
            assert result.checks[0].passed


def test_a_child_that_was_never_used_can_be_closed(tmp_path: Path) -> None:
    grader = tmp_path / "test_demo.py"
    grader.write_text(HEAD + PASSES)
    unused = child.Child(grader)
    unused.close()
    unused.close()
    assert _ended(popen(unused).pid)


def test_a_child_ends_when_its_parent_does(tmp_path: Path) -> None:
    grader = tmp_path / "test_demo.py"
    grader.write_text(HEAD + PASSES)
    orphan = child.Child(grader)
    stdin = popen(orphan).stdin
    assert stdin
    stdin.close()
    assert popen(orphan).wait(60) == 3
    orphan.close()


def test_no_bytecode_is_left_beside_the_grader(grading: Grading, tmp_path: Path) -> None:
    grading(PASSES)
    assert [entry.name for entry in (tmp_path / "graders").iterdir()] == ["test_demo.py"]


def test_ten_checks_over_ssh_cost_little(grading: Grading, sshd: Server) -> None:
    import resource

    text = "".join(
        f'''
@pytest.mark.check("c{number}", points=10)
def test_{number}(hosts):
    """Hello {number}."""
    reply = hosts["web"].run("echo %s", {number})
    assert reply.stdout == "{number}\\n", reply.stderr
'''
        for number in range(10)
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = grading(text, hosts=[sshd.access()])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert all(run.passed for run in result.checks)
    assert used < 1.5  # CPU seconds; some 0.35 where nothing else runs


def test_a_grader_on_the_shelf_serves_the_next_grade_and_ends_with_the_shelf(
    tmp_path: Path,
) -> None:
    grader, other = tmp_path / "test_demo.py", tmp_path / "test_other.py"
    for file in (grader, other):
        file.write_text(HEAD + PASSES)
    with child.Shelf() as shelf:
        with shelf.prepared(grader) as first:
            first.go(make_request(grader), timeout=60)
            with shelf.prepared(grader) as beside:
                assert beside is not first
        with shelf.prepared(other) as another:
            assert another not in (first, beside)
        with shelf.prepared(grader) as again:
            assert again in (first, beside)
            assert again.go(make_request(grader), timeout=60).checks[0].passed
    assert all(_ended(popen(one).pid) for one in (first, beside, another))


def test_a_grader_that_broke_or_died_does_not_go_back_to_the_shelf(tmp_path: Path) -> None:
    grader = tmp_path / "test_demo.py"
    grader.write_text(HEAD + PASSES)
    with child.Shelf() as shelf:
        with pytest.raises(KeyError), shelf.prepared(grader) as broke:
            raise KeyError
        with shelf.prepared(grader) as died:
            assert died is not broke
            popen(died).kill()
            popen(died).wait()
        with shelf.prepared(grader) as next_one:
            assert next_one.go(make_request(grader), timeout=60).checks[0].passed
