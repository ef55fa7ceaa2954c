"""The plugin: what fails a check, what breaks a grader, what graders are given."""

from __future__ import annotations

import subprocess

import pytest

from sandbox.errors import GraderError
from tests.grading.conftest import Grading, Server


def check(body: str, *, marker: str = "points=100", head: str = "", args: str = "") -> str:
    """A grader with one check whose body is `body`."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f'{head}\n@pytest.mark.check("it", {marker})\ndef test_it({args}):\n    """It holds."""\n'
        f"{lines}\n"
    )


# --- failures -----------------------------------------------------------------------------------


def test_the_message_of_the_assertion_is_the_learners(grading: Grading) -> None:
    result = grading(check('assert 1 == 2, "expected 2, saw 1"'))
    assert result.checks[0].message == "expected 2, saw 1"


def test_only_the_first_paragraph_is_shown(grading: Grading) -> None:
    result = grading(check(r'assert False, "this\nand this\n\nnot this"'))
    assert result.checks[0].message == "this\nand this"


def test_a_message_is_made_safe(grading: Grading) -> None:
    result = grading(check(r'assert False, "a\x1b[31mred\x07 \u202e!"'))
    assert result.checks[0].message == "ared !"


def test_a_secret_in_a_message_is_redacted(grading: Grading) -> None:
    result = grading(check('assert False, f"seen {params.pin}"', args="params"))
    assert result.checks[0].message == "seen ••••"


def test_an_assertion_without_words_names_the_title(grading: Grading) -> None:
    result = grading(check("assert False"))
    assert result.checks[0].message == "not so: It holds"


def test_a_guard_that_fails_is_broken_with_its_cap(grading: Grading) -> None:
    guard = '''
@pytest.mark.guard("wiki", cap=40)
def test_wiki():
    """The wiki still works."""
    assert False, "the wiki is gone"
'''
    result = grading(check("pass") + guard)
    seen = result.guards[0]
    assert (seen.id, seen.cap, seen.held, seen.message) == ("wiki", 40, False, "the wiki is gone")


# --- within and needs ---------------------------------------------------------------------------

COUNTED = 'import pathlib\ncount = pathlib.Path("count")\n'
CALL = 'count.write_text(count.read_text() + "x" if count.exists() else "x")\n'


def test_within_asks_again_until_it_holds(grading: Grading) -> None:
    body = CALL + 'assert len(count.read_text()) == 3, "not yet"'
    result = grading(check(body, head=COUNTED, marker="points=100, within=20"))
    assert result.checks[0].passed


def test_within_gives_up_at_its_deadline(grading: Grading) -> None:
    result = grading(check('assert False, "never"', marker="points=100, within=1"))
    assert result.checks[0].message == "never"
    assert 0.5 < result.checks[0].seconds < 5


def test_a_check_whose_need_has_failed_does_not_wait(grading: Grading) -> None:
    text = '''
@pytest.mark.check("first", points=50)
def test_first():
    """The first."""
    assert False, "no"

@pytest.mark.check("second", points=50, within=30, needs="first")
def test_second():
    """The second."""
    assert False, "nor this"
'''
    result = grading(text)
    assert result.checks[1].needs == ["first"]
    assert result.checks[1].message == "nor this"
    assert result.checks[1].seconds < 5


# --- broken graders -----------------------------------------------------------------------------

BROKEN = {
    "another exception": (check('raise KeyError("x")'), "test_demo.py:9: KeyError: 'x'"),
    "a skip": (check('pytest.skip("no")'), "skipped: no"),
    "a skip mark": (check("pass").replace("@", "@pytest.mark.skip\n@", 1), "skip has no place"),
    "an xfail mark": (check("pass").replace("@", "@pytest.mark.xfail\n@", 1), "xfail has no"),
    "an xfail": (check('pytest.xfail("no")'), "xfailed: no"),
    "pytest.fail": (check('pytest.fail("no")'), "Failed: no"),
    "an exit": (check('pytest.exit("no")'), "it ended before it was asked"),
    "SystemExit": (check("raise SystemExit(0)"), "SystemExit"),
    "an interrupt": (check("raise KeyboardInterrupt"), "it ended before it was asked"),
    "a module that skips": ('pytest.skip("x", allow_module_level=True)', "cannot be read"),
    "a syntax error": ("def test_(:\n", "cannot be read"),
    "no checks": ("x = 1\n", "there are no checks"),
    "only guards": (
        '@pytest.mark.guard("g", cap=4)\ndef test_g():\n    """G."""\n',
        "only guards",
    ),
    "no marker": ('def test_x():\n    """X."""\n', "a test is a check or a guard"),
    "two markers": (check("pass").replace("@", '@pytest.mark.guard("g", cap=1)\n@', 1), "or a"),
    "points short of 100": (check("pass", marker="points=99"), "the points sum to 99, not 100"),
    "points as text": (check("pass", marker='points="100"'), "points is '100'"),
    "bad seconds": (check("pass", marker="points=100, seconds=-1"), "seconds is -1, not a number"),
    "no points": (check("pass", marker="within=1"), "missing 1 required keyword-only"),
    "an unknown option": (check("pass", marker="points=100, retries=3"), "retries"),
    "the same id twice": (
        check("pass", marker="points=50")
        + check("pass", marker="points=50").replace("test_it", "test_that"),
        "it is there twice",
    ),
    "an unknown need": (check("pass", marker='points=100, needs="that"'), "it needs that, no"),
    "a need of itself": (check("pass", marker='points=100, needs="it"'), "it needs itself"),
    "no docstring": ('@pytest.mark.check("a", points=100)\ndef test_a():\n    pass\n', "title"),
    "an unknown fixture": (check("pass", args="nonesuch"), "nonesuch"),
    "a failing fixture": (
        "@pytest.fixture\ndef page():\n    assert False, 'no'\n" + check("pass", args="page"),
        "in a fixture, AssertionError: no",
    ),
    "a fixture that fails late": (
        "@pytest.fixture\ndef page():\n    yield\n    raise ValueError('no')\n"
        + check("pass", args="page"),
        "while cleaning up, ValueError: no",
    ),
    "an unknown host": (check('hosts["nonesuch"]', args="hosts"), "KeyError: 'nonesuch'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_grader_grades_nothing(grading: Grading, case: str) -> None:
    text, said = BROKEN[case]
    with pytest.raises(GraderError) as caught:
        grading(text)
    assert said in caught.value.message
    assert "test_demo.py" in caught.value.message
    assert caught.value.hint


def test_a_grader_that_is_stuck_is_broken(
    grading: Grading, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = check("import time\ntime.sleep(60)")
    with pytest.raises(GraderError, match=r"it did not end within 1\d seconds"):
        grading(text, statement_seconds=1.0)


def test_a_missing_file_is_a_broken_grader(tmp_path_factory: pytest.TempPathFactory) -> None:
    from sandbox.grading import child
    from tests.grading.conftest import make_request

    grader = tmp_path_factory.mktemp("none") / "test_none.py"
    with pytest.raises(GraderError):
        child.run(make_request(grader), timeout=30)


# --- fixtures -----------------------------------------------------------------------------------


def test_a_grader_is_given_what_it_needs(grading: Grading) -> None:
    body = """
assert (params.site, fault, phase) == ("intranet", "broken", "after")
assert (hidden, salt) == (True, "pepper")
assert anchor.isoformat() == "2026-03-04T09:30:00+00:00"
assert company.domain == "quillhaven.example"
assert hosts == {}
assert 0 <= rng.below(10) < 10
"""
    args = "params, fault, phase, hidden, salt, anchor, company, hosts, rng"
    result = grading(check(body, args=args), phase="after", hidden=True, salt="pepper")
    assert result.checks[0].message == ""


@pytest.mark.parametrize("salts", [("a", "a"), ("a", "b")])
def test_random_values_follow_the_salt(grading: Grading, salts: tuple[str, str]) -> None:
    body = 'assert False, " ".join(str(rng.below(1000)) for _ in range(5))'
    first, second = (grading(check(body, args="rng"), salt=salt).checks[0] for salt in salts)
    assert (first.message == second.message) == (salts[0] == salts[1])


@pytest.mark.parametrize("salts", [("a", "a"), ("a", "b")])
def test_generated_tables_follow_the_salt(grading: Grading, salts: tuple[str, str]) -> None:
    body = 'rows = generate("orders", 5)\nassert len(rows) != 5, repr(rows)[:300]'
    first, second = (grading(check(body, args="generate"), salt=salt).checks[0] for salt in salts)
    assert (first.message == second.message) == (salts[0] == salts[1])
    assert "{" in first.message


# --- machines -----------------------------------------------------------------------------------


def test_a_command_that_hangs_fails_the_check(grading: Grading, sshd: Server) -> None:
    body = 'hosts["web"].run("sleep %s", 60, timeout=1)'
    result = grading(check(body, args="hosts"), hosts=[sshd.access()])
    assert result.checks[0].message == "web hangs: no end after 1 s of the command sleep 60"
    assert result.unreachable == []


def test_a_grader_may_handle_a_command_that_hangs(grading: Grading, sshd: Server) -> None:
    body = 'with pytest.raises(TimeoutError):\n    hosts["web"].run("sleep 60", timeout=0.5)'
    assert grading(check(body, args="hosts"), hosts=[sshd.access()]).checks[0].passed


def test_slow_machines_fail_a_check_at_its_deadline(grading: Grading, sshd: Server) -> None:
    body = 'for _ in range(100):\n    hosts["web"].run("sleep 0.5")'
    result = grading(check(body, args="hosts"), hosts=[sshd.access()], statement_seconds=3.0)
    assert result.checks[0].message.startswith("web hangs")


def test_a_check_that_says_so_may_take_longer(grading: Grading, sshd: Server) -> None:
    body = 'for _ in range(4):\n    hosts["web"].run("sleep 0.5")'
    text = check(body, args="hosts", marker="points=100, seconds=20")
    assert grading(text, hosts=[sshd.access()], statement_seconds=1.0).checks[0].passed


def test_a_machine_that_cannot_be_reached_fails_its_checks(grading: Grading, sshd: Server) -> None:
    gone = sshd.access("gone")
    gone = type(gone)(
        name="gone", connect="127.0.0.1", port=1, key=gone.key, host_key=gone.host_key
    )
    text = '''
@pytest.mark.check("far", points=50)
def test_far(hosts):
    """The far one answers."""
    hosts["gone"].run("true")

@pytest.mark.check("near", points=50)
def test_near(hosts):
    """The near one answers."""
    assert hosts["web"].run("echo hi").stdout == "hi\\n", "no"
'''
    result = grading(text, hosts=[sshd.access(), gone], connect_seconds=1.0)
    assert result.unreachable == ["gone"]
    assert [run.message for run in result.checks] == ["gone no longer answers", ""]


def test_a_machine_that_dies_meanwhile_is_reported(
    grading: Grading, sshd: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    relay = subprocess.Popen(
        ["python3", "-c", RELAY, str(sshd.port)], stdout=subprocess.PIPE, text=True
    )
    assert relay.stdout
    port = int(relay.stdout.readline())
    access = sshd.access()
    access = type(access)(
        name="web",
        connect="127.0.0.1",
        port=port,
        key=access.key,
        host_key=access.host_key,
        user=access.user,
    )
    body = f'hosts["web"].run("true")\nhosts["web"].run("kill {relay.pid}; sleep 5")'
    try:
        result = grading(check(body, args="hosts"), hosts=[access], connect_seconds=1.0)
    finally:
        relay.kill()
        relay.wait()
        relay.stdout.close()
    assert result.unreachable == ["web"]
    assert result.checks[0].message == "web no longer answers"


RELAY = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.close()
while True:
    near, _ = server.accept()
    far = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""
