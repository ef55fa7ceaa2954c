"""tls-expired: a PC that trusts the root alone opens the portal, and no key lies about."""

import re
from datetime import UTC, datetime

import pytest

pytestmark = pytest.mark.scenario("web/tls-expired")

ROOT = "/etc/ssl/quillhaven/root.pem"
CURL = f"curl -sS --noproxy '*' --max-time 5 --cacert {ROOT} "
LEAST, MOST = 30, 184  # days: a good while, and a day more than the 183 of the handbook

# Each file that holds a private key: its public half, its path.
KEYS = r"""
cd / && grep -rlsIZ -e '-----BEGIN .*PRIVATE KEY-----' \
    etc home opt root run srv tmp usr/local var |
while IFS= read -r -d '' file; do
    printf '%s\t%s\n' "$(openssl pkey -in "$file" -passin pass: -pubout 2>/dev/null |
        tr -d '\n')" "$file"
done
"""
# Who but root can read which of these files, by trying: closed folders and access lists count, too.
READERS = r"""
cd / && mapfile -t files
getent passwd | while IFS=: read -r user _ uid gid _; do
    ((uid == 0)) || setpriv --reuid "$uid" --regid "$gid" --init-groups bash -c \
        'for file; do [[ ! -r $file ]] || printf "%s\t%s\n" "$0" "$file"; done' \
        "$user" "${files[@]}" < /dev/null
done
"""
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def handshake(hosts, params, name):
    """What the server sends a PC that asks for `name` and verifies it; the check fails where the
    PC would warn."""
    reply = hosts["desk"].run(
        "openssl s_client -connect %s:443 -servername %s -verify_hostname %s "
        f"-verify_return_error -CAfile {ROOT} < /dev/null",
        params.web_address,
        name,
        name,
        timeout=6,
    )
    errors = re.findall(r"verify error:num=\d+:(.+)", reply.stderr)
    assert not errors, f"a PC refuses {name}: {errors[0].strip()}"
    why_not = reply.stderr.strip()[-200:] or "no answer"
    assert reply.rc == 0, f"no TLS handshake with {name} on port 443: {why_not}"
    return PEM.findall(reply.stdout)[0] + "\n"


def told(hosts, certificate, options):
    """What openssl says of a certificate, on the desk."""
    return hosts["desk"].run(f"openssl x509 -noout {options}", stdin=certificate).stdout


def public_half(hosts, certificate):
    return "".join(told(hosts, certificate, "-pubkey").split("\n"))


def private_keys(host):
    """(path, public half) of every private key on a machine."""
    rows = [line.partition("\t") for line in host.run(KEYS, timeout=15).lines]
    return [(path, half) for half, _, path in rows]


def readers(host, paths):
    """{path: the accounts beside root that can read it}"""
    found = {path: [] for path in paths}
    for line in host.run(READERS, stdin="".join(f"{path}\n" for path in paths), timeout=15).lines:
        user, _, path = line.partition("\t")
        found.setdefault(path, []).append(user)
    return found


@pytest.mark.check("handshake", points=40, within=10)
def test_a_pc_trusts_the_portal(hosts, params):
    """A PC that trusts the house's root opens the portal without a warning."""
    handshake(hosts, params, params.site)
    page = hosts["desk"].run(CURL + "%s", f"https://{params.site}/")
    assert page.rc == 0, f"a PC does not get https://{params.site}/: {page.stderr.strip()}"
    other = f"https://{params.site}/ answers, but not with the portal"
    assert params.motto in page.stdout, other
    assert f"release {params.release}" in page.stdout, other


@pytest.mark.check("both-names", points=20, within=5, needs="handshake")
def test_both_names_are_in_it(hosts, params):
    """The portal is trusted under both of its names, each written in the certificate."""
    names = told(hosts, handshake(hosts, params, params.site), "-ext subjectAltName")
    for name in (params.site, params.second):
        assert re.search(rf"DNS:{re.escape(name)}\b", names), (
            f"{name} is not among the certificate's names (subjectAltName), where browsers look"
        )
    handshake(hosts, params, params.second)


@pytest.mark.check("lifetime", points=15, within=5, needs="handshake")
def test_it_lasts_a_good_while(hosts, params, anchor):
    """The certificate lasts a good while yet, and no longer than the handbook allows."""
    dates = told(hosts, handshake(hosts, params, params.site), "-dates -dateopt iso_8601")
    begins, ends = [
        datetime.strptime(word, "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)
        for word in re.findall(r"not(?:Before|After)=(\S+ \S+Z)", dates)
    ]
    left, whole = (ends - anchor).days, (ends - begins).days
    assert left >= LEAST, f"the certificate ends in {left} days: the next red page is near"
    assert whole <= MOST, f"the certificate is good for {whole} days; the handbook allows 183"


@pytest.mark.check("in-the-book", points=15, within=5, needs="handshake")
def test_it_is_in_the_book(hosts, params):
    """The certificate stands in the book of the CA."""
    line = told(hosts, handshake(hosts, params, params.site), "-serial")
    serial = int(line.strip().removeprefix("serial="), 16)
    rows = [row.split("\t") for row in hosts["ca"].read("/srv/ca/index.txt").splitlines()]
    book = {int(row[3], 16): row[0] for row in rows if len(row) == 6}
    assert serial in book, (
        f"the certificate that is served ({serial:X}) is not in /srv/ca/index.txt on ca"
    )
    assert book[serial] == "V", "the book of the CA says that the certificate was taken back"


@pytest.mark.check("leads-on", points=10, within=5, needs="handshake")
def test_plain_http_leads_on(hosts, params):
    """Who comes by plain http is led to https."""
    for name in (params.site, params.second):
        head = hosts["desk"].run(CURL + "-I %s", f"http://{name}/").stdout
        status, _, fields = head.partition("\r\n")
        assert re.search(r" 30[1278]\b", status), f"http://{name}/ does not lead on to https"
        assert f"location: https://{name}/" in fields.lower(), (
            f"http://{name}/ leads on, but not to https://{name}/"
        )


@pytest.mark.guard("no-plain-portal", cap=20, within=5)
def test_the_portal_is_never_plain(hosts, params):
    """The portal's pages are never given out without TLS."""
    for port in (80, 443):
        page = hosts["desk"].run(CURL + "%s", f"http://{params.site}:{port}/")
        assert params.motto not in page.stdout, f"port {port} gives the portal out without TLS"


@pytest.mark.guard("forms", cap=40, within=10)
def test_the_forms_still_open(hosts, params):
    """The carriers' forms, on the same machine, still open."""
    if hosts["desk"].run("nc -z -w 2 %s 443", params.web_address).rc:
        return  # no site is up at all: that is the portal's failure, not the forms'
    certificate = handshake(hosts, params, params.docs)
    assert params.docs in told(hosts, certificate, "-ext subjectAltName"), (
        f"{params.docs} no longer has a certificate of its own"
    )
    page = hosts["desk"].run(CURL + "%s", f"https://{params.docs}/")
    assert "Forms for carriers" in page.stdout, f"https://{params.docs}/ no longer has the forms"


def site_key(hosts, params):
    """The public half of the key that the portal uses; "" where no PC trusts what is served."""
    try:
        return public_half(hosts, handshake(hosts, params, params.site))
    except AssertionError:
        return ""


@pytest.mark.guard("keys-closed", cap=50)
def test_no_key_is_open(hosts, params):
    """No private key can be read by everybody, and those of the CA and the sites by root alone."""
    laid = (params.issuing, params.docs_cert, params.site_cert)
    ours = {public_half(hosts, one.certificate) for one in laid}
    ours |= {site_key(hosts, params)} - {""}
    for name in ("web", "ca"):
        halves = dict(private_keys(hosts[name]))
        for path, users in readers(hosts[name], halves).items():
            what = f"on {name} can read the private key in /{path}"
            assert "nobody" not in users, f"everybody {what}"
            assert halves.get(path) not in ours or not users, (
                f"{' and '.join(users)} {what}, which is for root alone"
            )


@pytest.mark.guard("keys-stay", cap=30)
def test_keys_stay_where_they_belong(hosts, params):
    """The CA's key is on the CA alone, the portal's on the web server alone."""
    ours = public_half(hosts, params.issuing.certificate)
    for path, half in private_keys(hosts["web"]):
        assert half != ours, f"the key of the CA lies on web: /{path}"
    site = site_key(hosts, params)
    for path, half in private_keys(hosts["ca"]):
        assert not site or half != site, f"the key of the portal lies on ca: /{path}"
