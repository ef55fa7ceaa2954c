"""Draw each parameter of a scenario by its own generator, those it refers to first."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, singledispatchmethod
from typing import Any

import msgspec

from sandbox import models as m
from sandbox.errors import ContentError, near
from sandbox.variants import hashes
from sandbox.variants.drbg import Drbg
from sandbox.variants.formats import fill, names
from sandbox.variants.instants import moved, shifted, spans
from sandbox.variants.values import Values, as_values

# Ports that a service of its own has, so that a drawn one never lands on it.
WELL_KNOWN = frozenset(
    {22, 25, 53, 80, 110, 123, 143, 389, 443, 445, 465, 514, 587, 636, 993, 995}
    | {1433, 2049, 2200, 2222, 3000, 3306, 3389, 5000, 5060, 5222, 5355, 5432, 5672, 5900, 6379}
    | {8000, 8080, 8086, 8443, 8888, 9000, 9090, 9093, 9100, 9200, 9418, 11211, 27017}
)
_CLEAR = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"


def person(company: m.Company, login: str) -> Values:
    """Somebody of the company as templates see them; ContentError when there is nobody."""
    for employee in company.people:
        if employee.login == login:
            first, _, last = employee.name.partition(" ")
            return Values(
                {
                    **msgspec.structs.asdict(employee),
                    "first": first,
                    "last": last,
                    "email": f"{login}@{company.domain}",
                }
            )
    logins = [employee.login for employee in company.people]
    raise ContentError(
        f"nobody is called '{login}'{near(login, logins)}", hint="see company.toml for the people"
    )


@dataclass
class Drawing:
    """The drawing of one variant; `all()` gives the values by name.

    Errors are ContentErrors whose message begins with the parameter's name.
    """

    company: m.Company
    requester: str
    anchor: datetime
    fault: str
    parameters: Mapping[str, m.AnyParameter]
    rng: Callable[[str], Drbg]
    values: Values = field(default_factory=Values)

    def all(self) -> Values:
        """Every parameter's value, in the order they are written."""
        for name in self.parameters:
            self._draw(name, ())
        return Values({name: self.values[name] for name in self.parameters})

    def needs(self, name: str) -> list[str]:
        """What must be drawn before `name`."""
        parameter = self.parameters[name]
        found = list(getattr(parameter, "distinct_from", []))
        if isinstance(parameter, m.Certificate) and parameter.issuer:
            found.append(parameter.issuer)
        for text in formats_of(parameter):
            found += names(text)
        needed = [self.requester if one == "requester" else one for one in found]
        return [one for one in needed if one in self.parameters]

    def _draw(self, name: str, waiting: tuple[str, ...]) -> None:
        if name in self.values:
            return
        if name in waiting:
            circle = " → ".join([*waiting[waiting.index(name) :], name])
            raise ContentError(
                f"{name}: it refers to itself: {circle}", hint="break the circle at one of them"
            )
        for other in self.needs(name):
            self._draw(other, (*waiting, name))
        try:
            self.values[name] = as_values(self.value(self.parameters[name], self.rng(name)))
        except ContentError as error:
            raise ContentError(f"{name}: {error.message}", hint=error.hint) from None

    def fill(self, text: str, key: str) -> str:
        """A format of a parameter over what has been drawn."""
        if "{" not in text:
            return text
        known = self._firm | self.values
        if "requester" in names(text):
            known["requester"] = self._somebody("requester")
        return fill(text, known, key)

    def given(self) -> Values:
        """What formats know beside the values, once all are drawn."""
        return Values(self._firm, requester=self._somebody("requester"))

    @cached_property
    def _firm(self) -> dict[str, Any]:
        firm = msgspec.to_builtins(self.company)
        del firm["people"]
        return {"company": as_values(firm), "anchor": self.anchor, "fault": self.fault}

    def _somebody(self, name: str) -> Values:
        """The person drawn as `name`, or the requester."""
        if name == "requester":
            if self.requester not in self.parameters:
                return person(self.company, self.requester)
            name = self.requester
        found: Values = self._other(name)
        return found

    def _other(self, name: str) -> Any:
        if name not in self.values:
            raise ContentError(
                f"there is no parameter '{name}'{near(name, self.parameters)}",
                hint="add it, or take the name out",
            )
        return self.values[name]

    def _taken(self, distinct_from: list[str]) -> list[Any]:
        return [self._other(name) for name in distinct_from]

    # --- one method a type ---------------------------------------------------------------------

    @singledispatchmethod
    def value(self, parameter: Any, rng: Drbg) -> Any:
        """The value of one parameter."""
        raise AssertionError(f"no way to draw {parameter!r}")

    @value.register
    def _(self, parameter: m.Choice, rng: Drbg) -> Any:
        taken = self._taken(parameter.distinct_from)
        left = [item for item in parameter.of if as_values(item) not in taken]
        return rng.choice(_some(left, "nothing is left to choose from", "give `of` more items"))

    @value.register
    def _(self, parameter: m.Sample, rng: Drbg) -> Any:
        _some(parameter.of[parameter.count - 1 :], "`of` has fewer than `count` items", "add some")
        return rng.sample(parameter.of, parameter.count)

    @value.register
    def _(self, parameter: m.Integer, rng: Drbg) -> Any:
        steps = (parameter.high - parameter.low) // parameter.step
        _some(range(steps + 1), "`high` is lower than `low`", "swap them")
        return parameter.low + parameter.step * rng.below(steps + 1)

    @value.register
    def _(self, parameter: m.Port, rng: Drbg) -> Any:
        taken = WELL_KNOWN.union(self._taken(parameter.distinct_from))
        ports = range(max(parameter.low, 1), min(parameter.high, 65535) + 1)
        free = [port for port in ports if port not in taken]
        return rng.choice(_some(free, "no port is left", "widen `low` to `high`"))

    @value.register
    def _(self, parameter: m.Address, rng: Drbg) -> Any:
        text = self.fill(parameter.subnet, "subnet")
        try:
            subnet = ipaddress.ip_network(text)
        except ValueError as error:
            raise ContentError(f"subnet: {error}", hint="write it as 10.20.30.0/24") from None
        last = min(parameter.high, subnet.num_addresses - 2)
        offsets = range(max(parameter.low, 1), last + 1)
        taken = {str(address) for address in self._taken(parameter.distinct_from)}
        free = [str(subnet[offset]) for offset in offsets if str(subnet[offset]) not in taken]
        hint = f"`low` to `high` must lie within {subnet}"
        return rng.choice(_some(free, f"no address of {subnet} is left", hint))

    @value.register
    def _(self, parameter: m.Mac, rng: Drbg) -> Any:
        return ":".join(f"{byte:02x}" for byte in (2, *rng.bytes(5)))

    @value.register
    def _(self, parameter: m.Person, rng: Drbg) -> Any:
        if parameter.login:
            return person(self.company, parameter.login)
        taken = {self._somebody(name).login for name in parameter.distinct_from}
        logins = [
            one.login
            for one in self.company.people
            if parameter.department in ("", one.department)
            and parameter.site in ("", one.site)
            and one.login not in taken
        ]
        hint = "widen department and site, or shorten distinct_from"
        return person(self.company, rng.choice(_some(logins, "nobody fits", hint)))

    @value.register
    def _(self, parameter: m.Password, rng: Drbg) -> Any:
        return "".join(rng.choice(_CLEAR) for _ in range(parameter.length))

    @value.register
    def _(self, parameter: m.Token, rng: Drbg) -> Any:
        return rng.bytes((parameter.length + 1) // 2).hex()[: parameter.length]

    @value.register
    def _(self, parameter: m.Hash, rng: Drbg) -> Any:
        text = self.fill(parameter.of, "of")
        if parameter.method == "sha512crypt":
            return hashes.sha512crypt(text, hashes.salt_text(rng.bytes(16)))
        if parameter.method == "scram":
            return hashes.scram(text, rng.bytes(16))
        return hashes.sha256(text)

    @value.register
    def _(self, parameter: m.KeyPair, rng: Drbg) -> Any:
        from sandbox.variants import keys

        return asdict(keys.ed25519(rng, self.fill(parameter.comment, "comment")))

    @value.register
    def _(self, parameter: m.Certificate, rng: Drbg) -> Any:
        from sandbox.variants import keys

        issuer = None
        if parameter.issuer:
            above = self._other(parameter.issuer)
            issuer = keys.Issuer(above.certificate, above.key, above.chain)
        wanted = keys.CertificateRequest(
            subject=self.fill(parameter.subject, "subject"),
            names=[self.fill(name, "names") for name in parameter.names],
            ca=parameter.ca,
            not_before=self.anchor + timedelta(days=parameter.starts_days),
            not_after=self.anchor + timedelta(days=parameter.ends_days),
        )
        return asdict(keys.certificate(rng, wanted, issuer))

    @value.register
    def _(self, parameter: m.Date, rng: Drbg) -> Any:
        low, high = shifted(self.anchor, parameter.low), shifted(self.anchor, parameter.high)
        if parameter.hours and not _is_span_of_hours(parameter.hours):
            raise ContentError("hours: not two hours of a day", hint="write it as [8, 18]")
        open_spans = spans(low, high, parameter.hours)
        total = sum(int(end - start) + 1 for start, end in open_spans)
        _some(range(total), "no instant lies between `low` and `high`", "widen them, or `hours`")
        rest = rng.below(total)
        for start, end in open_spans:
            if rest < int(end - start) + 1:
                return moved(self.anchor, start + rest - self.anchor.timestamp())
            rest -= int(end - start) + 1
        raise AssertionError("the spans are shorter than their sum")

    @value.register
    def _(self, parameter: m.Table, rng: Drbg) -> Any:
        return self._generated(parameter, parameter.rows, rng)

    @value.register
    def _(self, parameter: m.LogStream, rng: Drbg) -> Any:
        return self._generated(parameter, parameter.lines, rng)

    def _generated(self, parameter: m.Table | m.LogStream, count: int, rng: Drbg) -> Any:
        from sandbox.variants import generators

        return generators.generate(
            parameter.generator,
            rng,
            start=shifted(self.anchor, parameter.start),
            end=shifted(self.anchor, parameter.end),
            count=count,
            options=self._filled(parameter.options),
            company=self.company,
        )

    def _filled(self, option: Any) -> Any:
        """Options with the formats in them filled."""
        if isinstance(option, str):
            return self.fill(option, "options")
        if isinstance(option, list):
            return [self._filled(inner) for inner in option]
        if isinstance(option, dict):
            return {key: self._filled(inner) for key, inner in option.items()}
        return option

    @value.register
    def _(self, parameter: m.Derived, rng: Drbg) -> Any:
        return self.fill(parameter.value, "value")


def _some(items: Any, problem: str, hint: str) -> Any:
    """`items`, of which there must be one."""
    if not items:
        raise ContentError(problem, hint=hint)
    return items


def _is_span_of_hours(hours: list[int]) -> bool:
    return len(hours) == 2 and 0 <= hours[0] < hours[1] <= 24


def formats_of(parameter: Any) -> list[str]:
    """The texts of a parameter that are formats, at any depth of its options."""
    fields: dict[type, tuple[str, ...]] = {
        m.Address: ("subnet",),
        m.Hash: ("of",),
        m.KeyPair: ("comment",),
        m.Certificate: ("subject", "names"),
        m.Table: ("options",),
        m.LogStream: ("options",),
        m.Derived: ("value",),
    }
    waiting = [getattr(parameter, name) for name in fields.get(type(parameter), ())]
    found = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, (list, dict)):
            waiting += one.values() if isinstance(one, dict) else one
    return found
