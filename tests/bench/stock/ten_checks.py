"""The ten checks of bench/ten-checks as pytest-testinfra alone runs them."""


def test_settings_are_there(host):
    file = host.file("/etc/bench/app.conf")
    assert file.exists
    assert file.user == "root"
    assert file.mode == 0o644


def test_settings_are_right(host):
    assert host.file("/etc/bench/app.conf").contains("^listen = 8080$")


def test_ssh_runs(host):
    service = host.service("ssh")
    assert service.is_running
    assert service.is_enabled


def test_cron_runs(host):
    assert host.service("cron").is_running


def test_ssh_listens(host):
    assert host.socket("tcp://22").is_listening


def test_nothing_listens_on_80(host):
    assert not host.socket("tcp://0.0.0.0:80").is_listening


def test_the_account_is_there(host):
    assert "systemd-journal" in host.user("intern").groups


def test_the_package_is_there(host):
    assert host.package("nftables").is_installed


def test_the_name_is_known(host):
    reply = host.run("getent hosts %s", "localhost")
    assert reply.rc == 0
    assert "localhost" in reply.stdout


def test_there_is_space(host):
    used = host.run("df --output=pcent /").stdout.split()[-1]
    assert int(used.rstrip("%")) < 100
