"""web-service-down: the intranet answers again, whole, and keeps answering."""

from secrets import token_hex

import pytest

pytestmark = pytest.mark.scenario("linux/web-service-down")

CURL = "curl -sS --max-time 5"


def page(hosts, params, path):
    """The body of an intranet page as a desk gets it; the check fails unless it is a 200."""
    url = f"http://{params.site}{path}"
    reply = hosts["desk"].run(CURL + " -w '\\n%%{http_code}' %s", url)
    assert reply.rc == 0, f"a desk machine does not get {url}: {reply.stderr.strip()}"
    body, _, code = reply.stdout.rpartition("\n")
    assert code == "200", f"a desk machine gets {code} instead of the page {url}"
    return body


@pytest.mark.check("page-served", points=30, within=12)
def test_colleagues_get_the_page(hosts, params):
    """Colleagues get the front page from their own machines."""
    body = page(hosts, params, "/")
    assert params.motto in body, f"something answers at {params.site}, but not with the front page"
    assert f"edition {params.edition}" in body, "the front page is not the one the editors wrote"


@pytest.mark.check("all-pages", points=20, within=5, needs="page-served")
def test_all_pages_are_there(hosts, params, company):
    """News, menu, holidays and the telephone list open, too."""
    expected = {
        "/news.html": f"News {params.edition}",
        "/menu.html": params.canteen[-1],
        "/holidays.html": f"H{params.edition}",
        "/phones/": company.people[-1].name,
        "/style.css": "font:",
    }
    for path, words in expected.items():
        assert words in page(hosts, params, path), f"{path} opens, but it is not that page"


@pytest.mark.check("addresses", points=25, within=5, needs="page-served")
def test_old_addresses_lead_on(hosts, params):
    """Old bookmarks lead to the new pages, and unknown addresses to the intranet's own page."""
    desk = hosts["desk"]
    for old, new in {"/canteen.php": "/menu.html", "/news/archive/2019": "/news.html"}.items():
        reply = desk.run(CURL + " -I %s", f"http://{params.site}{old}")
        assert reply.rc == 0, f"nothing answers a desk machine at {params.site}: {reply.stderr}"
        head = reply.stdout
        assert " 301" in head.partition("\n")[0], f"the old address {old} no longer leads anywhere"
        assert f"{new}\r" in head, f"the old address {old} does not lead to {new}"
    lost = desk.run(CURL + " -i %s", f"http://{params.site}/no-such-page").stdout
    assert " 404" in lost.partition("\n")[0], (
        "an address that does not exist is not answered by 404"
    )
    assert "has moved out" in lost, "an address that does not exist gets another page than ours"
    assert "nosniff" in lost, "the headers that security asked for are missing from the answers"


@pytest.mark.check("publishing", points=10, within=5, needs="all-pages")
def test_editors_can_publish(hosts, params):
    """A page that is saved in the folder of the pages appears."""
    name, words = f"notice-{token_hex(4)}.html", token_hex(8)
    path = f"{params.docroot}/{name}"
    hosts["web"].put(path, f"<p>{words}</p>\n", mode=0o644)
    try:
        shown = page(hosts, params, f"/{name}")
    finally:
        hosts["web"].run("rm -f %s", path)
    assert words in shown, f"a page saved in {params.docroot} does not appear"


@pytest.mark.check("service", points=15, within=5, needs="page-served")
def test_nginx_serves_as_a_service(hosts):
    """It is nginx that serves, run by systemd as its service."""
    web = hosts["web"]
    state = web.run("systemctl show nginx.service -p ActiveState -p MainPID").lines
    assert "ActiveState=active" in state, "systemd does not count nginx.service as running"
    main = next((line.removeprefix("MainPID=") for line in state if "MainPID" in line), "0")
    name = web.run("cat /proc/%s/comm", main).stdout.strip()
    assert name == "nginx", "nginx.service runs, but what it runs is not nginx"


@pytest.mark.guard("wiki", cap=40, within=5)
def test_the_wiki_keeps_working(hosts, params):
    """The wiki on the same machine keeps working."""
    url = f"http://{params.wiki}:{params.wiki_port}/rota.html"
    reply = hosts["desk"].run(CURL + " -f %s", url)
    assert "Delivery rota" in reply.stdout, f"the wiki does not answer at {url}"


@pytest.mark.guard("pages-protected", cap=60)
def test_not_everybody_may_write_the_pages(hosts, params):
    """The pages cannot be changed by everybody on the machine."""
    find = "find %s ! -type l -perm -o+w -print -quit"
    open_path = hosts["web"].run(find, f"/srv/www/{params.short}").stdout.strip()
    assert not open_path, f"everybody on the machine may write {open_path}"


@pytest.mark.guard("least-privilege", cap=60)
def test_nginx_works_without_root(hosts):
    """nginx answers requests under an account of its own, not as root."""
    workers = hosts["web"].run("ps -eo user:32=,args=").lines
    as_root = [one for one in workers if "nginx: worker" in one and one.startswith("root ")]
    assert not as_root, "nginx answers requests as root"
