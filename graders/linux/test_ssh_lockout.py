"""ssh-lockout: the planner is in again with her key, and nothing else was opened for it."""

import re
from secrets import token_hex

import pytest

pytestmark = pytest.mark.scenario("linux/ssh-lockout")

SSH = (
    "ssh -n -o BatchMode=yes -o ConnectTimeout=5 -o IdentitiesOnly=yes -o LogLevel=ERROR"
    " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
)
KEYS = {
    "colleague": "/root/.ssh/board",
    "temps": "/root/.ssh/temps",
    "wallboard": "/root/.ssh/wallboard",
    "root": "/root/.ssh/admin",
}
ADMINS = ("samuel.okafor", "ines.carvalho")
DAYS = 14  # that an account must still have before it


def ssh(hosts, params, login, key, command):
    """What a login from the desk gets, by one of the keys that lie there."""
    line = SSH + " -i %s %s %s"
    return hosts["desk"].run(line, KEYS[key], f"{login}@{params.app_address}", command, timeout=15)


def methods(hosts, params, login):
    """What sshd offers to somebody who has shown nothing; empty when nobody answers."""
    line = SSH + " -o PreferredAuthentications=none %s true"
    said = hosts["desk"].run(line, f"{login}@{params.app_address}", timeout=15)
    found = re.search(r"Permission denied \(([^)]*)\)", said.stderr)
    return found[1].split(",") if found else []


@pytest.mark.check("login", points=50, within=8)
def test_she_logs_in(hosts, params):
    """The planner logs in from her desk, with her key, as herself."""
    login = params.colleague.login
    name, words = f".check-{token_hex(4)}", token_hex(8)
    try:
        said = ssh(hosts, params, login, "colleague", f"echo {words} > ~/{name}; echo ~; id -un")
        home = f"/home/{login}"
        seen = hosts["app"].run("cat %s && stat -c %%U %s", *[f"{home}/{name}"] * 2).lines
    finally:
        hosts["app"].run("rm -f %s", f"/home/{login}/{name}")
    why = said.stderr.strip().splitlines()[-1:] or ["no answer"]
    assert said.rc == 0, f"ssh {login}@app from her desk: {why[0]}"
    assert said.lines[-2:] == [home, login], f"she gets in, but not as {login} in {home}"
    assert seen == [words, login], "she gets in, but what she does there has no effect on app"


@pytest.mark.check("own-work", points=15, within=3, needs="login")
def test_what_is_hers(hosts, params):
    """Her files are there, the account is the same, and she can write in the planners' folder."""
    login, probe = params.colleague.login, f"/srv/planning/.check-{token_hex(4)}"
    said = ssh(
        hosts, params, login, "colleague", f"cat ~/week.txt; touch {probe} && rm {probe}; id -u"
    )
    assert f"number {params.week}" in said.stdout, "her week.txt is gone, or cannot be read by her"
    assert probe not in said.stderr, "she cannot write in /srv/planning, as a planner can"
    same = said.lines[-1:] == [str(params.uid)]
    assert same, "her account has another number than before: it is not the same account"


@pytest.mark.check("key-protected", points=20, needs="login")
def test_nobody_else_can_give_her_keys(hosts, params):
    """Her home, the folder of her keys and the keys are hers alone to change."""
    login = params.colleague.login
    home = f"/home/{login}"
    for path in (home, f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
        said = hosts["app"].run("stat -L -c '%%a %%U %%G' %s", path)
        if said.rc != 0:
            continue  # keys may lie elsewhere
        mode, owner, group = said.stdout.split()
        writers = 0o002 if group == login else 0o022
        assert not int(mode, 8) & writers, f"others than {login} may write to {path} ({mode})"
        assert owner in (login, "root"), f"{path} belongs to {owner}"


@pytest.mark.check("lasting", points=15, within=3, needs="login")
def test_it_lasts(hosts, params):
    """The service of the machine lets her in, and still will in two weeks."""
    app = hosts["app"]
    state = app.run("systemctl show ssh.service -p ActiveState -p UnitFileState").lines
    assert "ActiveState=active" in state, (
        "ssh.service does not run: what she met was something else"
    )
    assert "UnitFileState=enabled" in state, "ssh.service is not enabled"
    test = app.run("/usr/sbin/sshd -t")
    assert test.rc == 0, f"sshd -t is not content: {test.stderr.strip()}"
    days = app.run("date +%%s; getent shadow %s | cut -d: -f8", params.colleague.login).lines
    today, last = int(days[0]) // 86400, days[1] if len(days) > 1 else ""
    enough = not last or int(last) - today >= DAYS
    assert enough, f"her account ends within {DAYS} days: {int(last or 0) - today} are left"


@pytest.mark.guard("root-off", cap=30)
def test_root_does_not_log_in(hosts, params):
    """Root does not log in by ssh."""
    words = token_hex(8)
    said = ssh(hosts, params, "root", "root", f"echo {words}")
    assert words not in said.stdout, "root logs in by ssh, with a key that lies in /root/.ssh"


@pytest.mark.guard("password-off", cap=40)
def test_no_passwords(hosts, params):
    """Nobody logs in by password."""
    # Whom the list keeps out can be offered what one likes.
    listed = (params.colleague.login, params.second.login, "intern", *ADMINS)
    for login in (*listed, "root"):
        offered = {"password", "keyboard-interactive"} & set(methods(hosts, params, login))
        assert not offered, f"sshd asks {login} for a password"


@pytest.mark.guard("others-out", cap=40)
def test_the_list_is_a_list(hosts, params):
    """Who is not on the list of those who may log in is turned away."""
    for login in ("temps", "wallboard"):
        words = token_hex(8)
        said = ssh(hosts, params, login, login, f"echo {words}")
        assert words not in said.stdout, f"{login}, not on the list, can log in"
