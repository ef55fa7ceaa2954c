"""postgres-app-denied: the order desk saves orders again, and nobody else got in for it."""

import configparser
import json
import secrets
from contextlib import contextmanager
from datetime import datetime

import pytest

pytestmark = pytest.mark.scenario("database/postgres-app-denied")

# The binary itself: /usr/bin/psql is a wrapper.
PSQL = "/usr/lib/postgresql/17/bin/psql -XAtq -F '\t' -v ON_ERROR_STOP=1 -d orderdesk -c %s"
CONFIG = "/etc/order-desk/order-desk.conf"

# Prints "in", or "out" and why, for a login as the application with the password on stdin.
# Without `site`, so that no file beside the image's packages is run first.
LOGIN = """
import sys
sys.path.append("/usr/lib/python3/dist-packages")
import psycopg
try:
    psycopg.connect(host=sys.argv[1], dbname="orderdesk", user="orderdesk",
                    password=sys.stdin.read(), connect_timeout=3).close()
    print("in")
except psycopg.OperationalError as error:
    print("out", error)
"""

ORDERS = """
SELECT number, customer, article, quantity, reference, floor(extract(epoch FROM entered))
FROM sales.orders WHERE number <= {last} ORDER BY number
"""

TOO_MUCH = r"""
SELECT what FROM pg_roles AS me, LATERAL (VALUES
    ('is a superuser', rolsuper),
    ('may make roles', rolcreaterole),
    ('may make databases', rolcreatedb),
    ('passes by row security', rolbypassrls),
    ('may copy the whole server', rolreplication),
    ('may delete orders', has_table_privilege(oid, 'sales.orders', 'DELETE')),
    ('may empty the table of orders', has_table_privilege(oid, 'sales.orders', 'TRUNCATE')),
    ('may make tables in the schema', has_schema_privilege(oid, 'sales', 'CREATE')),
    ('owns tables or sequences', EXISTS (SELECT FROM pg_class WHERE relowner = me.oid)),
    ('may act as a more powerful role', EXISTS (
        SELECT FROM pg_roles AS other
        WHERE (rolsuper OR rolname = 'order_owner' OR rolname LIKE 'pg\_%')
        AND other.oid <> me.oid AND pg_has_role(me.oid, other.oid, 'MEMBER')))
) AS seen (what, so) WHERE rolname = 'orderdesk' AND so
"""

TRUSTING = "SELECT line_number FROM pg_hba_file_rules WHERE auth_method = 'trust'"


def ask(hosts, query):
    """The lines that PostgreSQL's administrator gets for a query."""
    reply = hosts["db"].run(PSQL, query, user="postgres")
    assert reply.rc == 0, (
        f"PostgreSQL on db cannot be asked as its administrator: {reply.stderr.strip()}"
    )
    return reply.lines


def curl(hosts, params, path, *fields):
    """The status and the body that another machine gets from the order desk's page."""
    data = " --data-urlencode %s" * len(fields)
    url = f"http://{params.app_address}:{params.port}{path}"
    reply = hosts["desk"].run(
        "curl -sS --noproxy '*' --max-time 8 -w '\\n%%{http_code}'" + data + " %s", *fields, url
    )
    assert reply.rc == 0, f"the order desk's page at {url} does not answer: {reply.stderr.strip()}"
    body, _, status = reply.stdout.rpartition("\n")
    return status, body.strip()


def fields_of(body, *names):
    """These fields of an order as the page shows it, as texts; None where it is no order."""
    try:
        order = json.loads(body)
    except ValueError:
        return None
    return [str(order.get(name)) for name in names] if isinstance(order, dict) else None


@contextmanager
def order_entered(hosts, params):
    """An order that was entered on the page, until the end of one look: reference, number."""
    reference = secrets.token_hex(8)
    status, body = curl(
        hosts, params, "/orders",
        "customer=Control", "article=CTRL-1", "quantity=7", f"reference={reference}",
    )  # fmt: skip
    try:
        assert status == "201", f"an order entered on the page is not saved, it says: {body[:200]}"
        number = (fields_of(body, "number") or [""])[0]
        yield reference, number
    finally:
        delete = f"DELETE FROM sales.orders WHERE reference = '{reference}'"
        hosts["db"].run(PSQL, delete, user="postgres")


def stored(row):
    """A row of the parameter `orders` as the table holds it."""
    entered = int(datetime.fromisoformat(row.ordered_at).timestamp())
    return [row.number, row.customer, row.article, quantity(row), row.clerk, entered]


def quantity(row):
    """A cancelled order is kept, with quantity 0."""
    return 0 if row.status == "cancelled" else row.quantity


def login(host, params, password):
    """What comes of a login from `host` as the application."""
    return host.run(
        "/usr/bin/python3 -I -S -c %s %s", LOGIN, params.db_address, stdin=password
    ).stdout.strip()


@pytest.mark.check("order-stored", points=60, within=15)
def test_an_order_is_stored(hosts, params):
    """An order that is entered on the page is in the database."""
    with order_entered(hosts, params) as (reference, _):
        rows = ask(
            hosts,
            f"SELECT customer, article, quantity FROM sales.orders WHERE reference = '{reference}'",
        )

    assert rows == ["Control\tCTRL-1\t7"], (
        "the page says that the order is saved, but the table sales.orders on db does not have it"
    )


@pytest.mark.check("order-read-back", points=20, within=15, needs="order-stored")
def test_an_order_is_read_back(hosts, params):
    """An order that was entered can be looked up on the page."""
    with order_entered(hosts, params) as (reference, number):
        status, body = curl(hosts, params, f"/orders/{number}")

    found = fields_of(body, "reference") if status == "200" else None
    assert found == [reference], f"order {number} was saved, but looking it up gives: {body[:200]}"


@pytest.mark.check("old-orders", points=20, within=15, needs="order-stored")
def test_earlier_orders_are_shown(hosts, params):
    """The earlier orders can be looked up on the page."""
    for row in (params.orders[0], params.orders[len(params.orders) // 2], params.orders[-1]):
        status, body = curl(hosts, params, f"/orders/{row.number}")
        found = fields_of(body, "customer", "article", "quantity") if status == "200" else None
        assert found == [row.customer, row.article, str(quantity(row))], (
            f"order {row.number}, from before the trouble, is not shown as it was: {body[:200]}"
        )


@pytest.mark.guard("rows", cap=30, within=15)
def test_orders_are_as_they_were(hosts, params):
    """All earlier orders are in the table, as they were."""
    wanted = {"\t".join(map(str, stored(row))) for row in params.orders}
    seen = set(ask(hosts, ORDERS.format(last=params.orders[-1].number)))

    assert not wanted - seen, f"{len(wanted - seen)} of {len(wanted)} orders are gone or changed"
    assert not seen - wanted, f"{len(seen - wanted)} orders stand among the earlier ones, unknown"


@pytest.mark.guard("least-rights", cap=30, within=15)
def test_the_role_has_no_more_rights(hosts):
    """The application's role has no more rights than the runbook gives it."""
    seen = ask(hosts, TOO_MUCH)

    assert not seen, f"the role orderdesk {', '.join(seen)}: more than the runbook gives it"


@pytest.mark.guard("no-trust", cap=30, within=15)
def test_nobody_comes_in_without_a_password(hosts, params):
    """Nobody gets into the database without a password."""
    lines = ask(hosts, TRUSTING)
    attempt = login(hosts["app"], params, secrets.token_hex(8))

    assert not lines, f"pg_hba.conf trusts: line {', '.join(lines)}"
    assert attempt != "in", "from app one gets in as orderdesk with a wrong password"


@pytest.mark.guard("others-out", cap=60, within=15)
def test_other_machines_stay_out(hosts, params):
    """Other machines do not get at the order desk's data, even with its password."""
    attempt = login(hosts["desk"], params, params.password)

    if not attempt.startswith(("in", "out")):
        raise RuntimeError(f"the probe did not work: {attempt}")
    assert attempt != "in", (
        "another machine of the servers' network gets into the database as orderdesk: only app "
        "may (/etc/postgresql/17/main/pg_hba.conf)"
    )


@pytest.mark.guard("app-config", cap=60, within=5)
def test_the_delivered_settings_are_as_they_were(hosts, params):
    """The application's settings are as they were delivered."""
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read_string(hosts["app"].read(CONFIG))
        seen = {section: dict(settings[section]) for section in settings.sections()}
    except configparser.Error:
        seen = {}

    assert seen == delivered(params), (
        f"{CONFIG} on app is not as it was delivered; the runbook says that the next delivery "
        "overwrites it"
    )


def delivered(params):
    """The settings in `CONFIG` as the scenario lays them."""
    return {
        "http": {"port": str(params.port)},
        "database": {
            "host": "db",
            "port": "5432",
            "name": "orderdesk",
            "user": "orderdesk",
            "password": params.password,
        },
    }
