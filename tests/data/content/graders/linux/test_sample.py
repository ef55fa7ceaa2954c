"""sample: colleagues see the pebble list."""

import pytest

pytestmark = pytest.mark.scenario("linux/sample")


@pytest.mark.check("list-shown", points=60, within=5)
def test_list(hosts, params):
    """Colleagues see the list."""
    reply = hosts["desk"].run("curl -sS http://%s:%s/", params.site, params.port)
    assert "pebbles" in reply.stdout, "no list"


@pytest.mark.check("starts-by-itself", points=40, needs="list-shown")
def test_unit(hosts):
    """The service starts by itself."""
    assert hosts["web"].run("systemctl is-enabled site").rc == 0, "it is not enabled"


@pytest.mark.guard("page-kept", cap=40)
def test_page(hosts):
    """The page is as it was."""
    assert hosts["web"].run("test -f /srv/site/index.txt").rc == 0, "the page is gone"
