"""ten-checks: files, services, sockets, accounts and commands, as in stock/ten_checks.py."""

import pytest

pytestmark = pytest.mark.scenario("bench/ten-checks")


@pytest.fixture
def host(hosts):
    return hosts["desk"]


@pytest.mark.check("settings-there", points=10)
def test_settings_are_there(host):
    """The settings file is root's and readable."""
    file = host.file("/etc/bench/app.conf")
    assert file.exists
    assert file.user == "root"
    assert file.mode == 0o644


@pytest.mark.check("settings-right", points=10)
def test_settings_are_right(host):
    """The settings name the port."""
    assert host.file("/etc/bench/app.conf").contains("^listen = 8080$")


@pytest.mark.check("ssh-runs", points=10)
def test_ssh_runs(host):
    """The SSH server runs and starts by itself."""
    service = host.service("ssh")
    assert service.is_running
    assert service.is_enabled


@pytest.mark.check("cron-runs", points=10)
def test_cron_runs(host):
    """Timed jobs run."""
    assert host.service("cron").is_running


@pytest.mark.check("ssh-listens", points=10)
def test_ssh_listens(host):
    """The SSH server listens on its port."""
    assert host.socket("tcp://22").is_listening


@pytest.mark.check("nothing-on-80", points=10)
def test_nothing_listens_on_80(host):
    """No web server listens."""
    assert not host.socket("tcp://0.0.0.0:80").is_listening


@pytest.mark.check("account", points=10)
def test_the_account_is_there(host):
    """The intern may read the journal."""
    assert "systemd-journal" in host.user("intern").groups


@pytest.mark.check("package", points=10)
def test_the_package_is_there(host):
    """The tool for firewalls is installed."""
    assert host.package("nftables").is_installed


@pytest.mark.check("name", points=10)
def test_the_name_is_known(host):
    """The machine knows its own name."""
    reply = host.run("getent hosts %s", "localhost")
    assert reply.rc == 0
    assert "localhost" in reply.stdout


@pytest.mark.check("space", points=10)
def test_there_is_space(host):
    """The disk is not full."""
    used = host.run("df --output=pcent /").stdout.split()[-1]
    assert int(used.rstrip("%")) < 100
