"""Tables of a firm's daily business. Dates are ISO texts, amounts of money texts like `12.50`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.models import Company
from sandbox.variants.drbg import Drbg
from sandbox.variants.generators import words
from sandbox.variants.generators.rhythm import Span, instants

Rows = list[dict[str, Any]]


def people(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    departments: list[str] | None = None,
    first_number: int = 4101,
) -> Rows:
    """New colleagues as HR lists them: number, first_name, last_name, department, title, site,
    start_date, phone, manager (a login). No two have the same full name; some share a last name.

    departments   keys of the company's departments, by default all
    first_number  the first one's staff number
    """
    titles = ("Assistant", "Coordinator", "Planner", "Trainee", "Specialist", "Clerk")
    keys = departments or list(company.departments)
    names = [(first, last) for first in words.FIRST_NAMES for last in words.LAST_NAMES]
    rows: Rows = []
    for index, (first, last) in enumerate(rng.sample(names, span.count)):
        department = rng.choice(keys)
        managers = [one.login for one in company.people if one.department == department]
        begins = span.start + timedelta(days=rng.below(max(1, (span.end - span.start).days)))
        rows.append(
            {
                "number": first_number + index,
                "first_name": first,
                "last_name": last,
                "department": company.departments[department],
                "title": f"{rng.choice(titles)}",
                "site": rng.choice(list(company.sites)),
                "start_date": begins.date().isoformat(),
                "phone": str(300 + rng.below(600)),
                "manager": managers[0] if managers else "",
            }
        )
    return rows


def orders(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    first_number: int = 70001,
    customers: list[str] | None = None,
) -> Rows:
    """Orders in the order they came in: number, ordered_at, customer, article, quantity,
    unit_price, total, status (open, packed, shipped, cancelled), clerk (a login).

    first_number  the first order's number
    customers     names, the more often the earlier they stand
    """
    names = customers or rng.shuffled(words.CUSTOMERS)
    clerks = _logins(company, "sales")
    rows: Rows = []
    for index, when in enumerate(instants(rng, span)):
        article, price = rng.choice(words.ARTICLES)
        price = price * rng.between(90, 110) // 100
        quantity = rng.weighted((1, 2, 5, 10, 24, 50), (8, 8, 6, 6, 3, 1))
        rows.append(
            {
                "number": first_number + index,
                "ordered_at": when.isoformat(),
                "customer": names[min(rng.below(len(names)), rng.below(len(names)))],
                "article": article,
                "quantity": quantity,
                "unit_price": _money(price),
                "total": _money(price * quantity),
                "status": _order_status(rng, when, span.end),
                "clerk": rng.choice(clerks),
            }
        )
    return rows


def _order_status(rng: Drbg, when: datetime, end: datetime) -> str:
    if rng.chance(1, 25):
        return "cancelled"
    age = (end - when).days
    return (
        "shipped" if age > 6 else rng.choice(("open", "packed", "shipped")) if age > 1 else "open"
    )


def shipments(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    first_number: int = 1,
    prefix: str = "QH",
) -> Rows:
    """Shipments in the order they left: number (`QH-2026-000001`), left_at, from_site, to_city,
    customer, carrier, pallets, weight_kg, status (under way, delivered, held), delivered_at.

    first_number  the first one's number
    prefix        what numbers begin with
    """
    rows: Rows = []
    for index, when in enumerate(instants(rng, span)):
        arrives = when + timedelta(hours=rng.between(5, 70))
        held = rng.chance(1, 40)
        delivered = arrives < span.end and not held
        pallets = rng.weighted((1, 2, 4, 8, 16), (10, 8, 5, 3, 1))
        rows.append(
            {
                "number": f"{prefix}-{when.year}-{first_number + index:06d}",
                "left_at": when.isoformat(),
                "from_site": rng.choice(list(company.sites)),
                "to_city": rng.choice(words.CITIES),
                "customer": rng.choice(words.CUSTOMERS),
                "carrier": rng.choice(words.CARRIERS),
                "pallets": pallets,
                "weight_kg": pallets * rng.between(80, 640),
                "status": "held" if held else "delivered" if delivered else "under way",
                "delivered_at": arrives.isoformat() if delivered else "",
            }
        )
    return rows


def inventory(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    first_number: int = 1001,
    empty: int = 5,
) -> Rows:
    """Stock by place: sku (`PAL-1001`), name, quantity, unit_price, site, place (`B-07-3`),
    counted_at. Every sku is there once.

    first_number  the number of the first sku
    empty         per cent of places that hold nothing
    """
    whens = rng.shuffled(list(instants(rng, span)))
    rows: Rows = []
    for index, when in enumerate(whens):
        article, price = rng.choice(words.ARTICLES)
        aisle, bay, level = rng.choice("ABCDEFGH"), rng.between(1, 24), rng.between(1, 4)
        rows.append(
            {
                "sku": f"{article[:3].upper()}-{first_number + index}",
                "name": article,
                "quantity": 0 if rng.chance(empty, 100) else rng.between(1, 480),
                "unit_price": _money(price * rng.between(90, 110) // 100),
                "site": rng.choice(list(company.sites)),
                "place": f"{aisle}-{bay:02d}-{level}",
                "counted_at": when.isoformat(),
            }
        )
    return rows


def assets(
    rng: Drbg,
    span: Span,
    company: Company,
    *,
    first_number: int = 501,
    tag: str = "QH",
) -> Rows:
    """IT assets: tag (`QH-000501`), kind, model, serial, site, user (a login or empty),
    bought_on.

    first_number  the first one's number
    tag           what tags begin with
    """
    models = {
        "laptop": ("Corvid 14", "Corvid 15", "Harrier Pro"),
        "monitor": ("Vista 24", "Vista 27"),
        "docking station": ("Pier 4",),
        "phone": ("Tern 5", "Tern 6"),
        "label printer": ("Inkwell L2", "Inkwell L4"),
        "scanner": ("Plover 200",),
    }
    kinds, weights = list(models), (8, 9, 5, 6, 2, 4)
    rows: Rows = []
    for index, when in enumerate(instants(rng, span)):
        kind = rng.weighted(kinds, weights)
        owner = rng.choice(company.people)
        shared = kind in ("label printer", "scanner") or rng.chance(1, 10)
        rows.append(
            {
                "tag": f"{tag}-{first_number + index:06d}",
                "kind": kind,
                "model": rng.choice(models[kind]),
                "serial": _serial(rng),
                "site": owner.site,
                "user": "" if shared else owner.login,
                "bought_on": when.date().isoformat(),
            }
        )
    return rows


def _serial(rng: Drbg) -> str:
    return "".join(_letters(rng, 3)) + str(rng.between(100000, 999999))


def _letters(rng: Drbg, count: int) -> Iterator[str]:
    for _ in range(count):
        yield rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ")


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _logins(company: Company, department: str) -> list[str]:
    """The logins of a department, or of everybody where it has none."""
    own = [one.login for one in company.people if one.department == department]
    return own or [one.login for one in company.people]
