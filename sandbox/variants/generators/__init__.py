"""Makers of logs and tables that look lived in; scenarios and graders call them by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.errors import ContentError, near
from sandbox.models import Company
from sandbox.variants.drbg import Drbg
from sandbox.variants.generators import logs, tables
from sandbox.variants.generators.rhythm import Span

Rows = list[dict[str, Any]]
Generator = Callable[..., str | Rows]

GENERATORS: Mapping[str, Generator] = {
    "nginx-access": logs.nginx_access,
    "sshd-auth": logs.sshd_auth,
    "app": logs.app,
    "syslog": logs.syslog,
    "people": tables.people,
    "orders": tables.orders,
    "shipments": tables.shipments,
    "inventory": tables.inventory,
    "assets": tables.assets,
}


def generate(
    name: str,
    rng: Drbg,
    *,
    start: datetime,
    end: datetime,
    count: int,
    options: Mapping[str, Any],
    company: Company,
) -> str | Rows:
    """`count` lines of the log or rows of the table `name`, from `start` to `end` (both aware).

    The same `rng`, the same text, for ever. ContentError for an unknown generator or option.
    """
    if name not in GENERATORS:
        raise ContentError(
            f"there is no generator '{name}'{near(name, GENERATORS)}",
            hint=f"known: {', '.join(GENERATORS)}",
        )
    if end <= start:
        raise ContentError(f"generator {name}: it ends before it starts", hint="see start and end")
    maker = GENERATORS[name]
    known = options_of(name)
    for option in options:
        if option not in known:
            raise ContentError(
                f"generator {name}: unknown option '{option}'{near(option, known)}",
                hint=f"known: {', '.join(known)}",
            )
    try:
        return maker(rng, Span(start, end, count), company, **options)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ContentError(
            f"generator {name}: an option has a value it cannot have: {error}",
            hint=f"its options are described in {maker.__module__}.{maker.__name__}",
        ) from None


def options_of(name: str) -> list[str]:
    """The options that the generator `name` takes; its docstring tells what they mean."""
    parameters = inspect.signature(GENERATORS[name]).parameters.values()
    return [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
