"""A seed and a scenario make a variant: its fault, its values, its anchor in time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.errors import ContentError, UsageError, near
from sandbox.models import AnyParameter, Derived, Hash
from sandbox.variants.drbg import Drbg
from sandbox.variants.formats import fill
from sandbox.variants.values import Values, from_json, to_json

if TYPE_CHECKING:
    from sandbox.scenarios import Loaded
    from sandbox.variants.drawing import Drawing

__all__ = [
    "Values",
    "Variant",
    "draw",
    "dump",
    "is_seed",
    "new_seed",
    "parse",
    "require_seed",
    "rng",
]

_SEED_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_HIDDEN = "••••"
_LONGEST_SEED = 200  # characters that a submission carries
_SHORTEST = 4  # a shorter secret value would blot out half of an innocent text
_MATERIAL = ("private", "key")  # of key pairs and certificates: secret whatever the author says


@dataclass(frozen=True)
class Variant:
    """What a seed made of a scenario. `secrets` names the values that are not to be shown; `given`
    is what formats know beside the values: company (without its people), requester, anchor, fault.
    """

    scenario: str
    seed: str
    fault: str
    anchor: datetime  # aware, in the scenario's zone
    values: Values
    secrets: frozenset[str]
    given: Values = field(default_factory=Values)

    @property
    def public(self) -> Values:
        """The values without the secret ones, and without private keys."""
        shown = {
            name: _without_material(value)
            for name, value in self.values.items()
            if name not in self.secrets
        }
        return Values(shown)

    def redact(self, text: str) -> str:
        """`text` with every secret value in it replaced by ••••."""
        for word in sorted(set(self._secret_words()), key=len, reverse=True):
            text = text.replace(word, _HIDDEN)
        return text

    def format(self, text: str) -> str:
        """The format `text` over the values; ContentError when it names what there is not."""
        known = {**self.given, **self.values}
        return fill(text, known, f"{self.scenario}, fault {self.fault}")

    def _secret_words(self) -> Iterator[str]:
        for name, value in self.values.items():
            if name in self.secrets:
                yield from _words(value)
            elif isinstance(value, Values):
                for part in _MATERIAL:
                    if "-----BEGIN" in str(value.get(part, "")):
                        yield from _words(value[part])


def _without_material(value: Any) -> Any:
    if not isinstance(value, Values):
        return value
    return Values(
        {
            name: inner
            for name, inner in value.items()
            if name not in _MATERIAL or "-----BEGIN" not in str(inner)
        }
    )


def _words(value: Any) -> Iterator[str]:
    """The texts within a value that must not be seen; each line of a long one by itself."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _words(inner)
        return
    for line in str(value).splitlines():
        if len(line) >= _SHORTEST and not line.startswith("-----"):
            yield line


def new_seed() -> str:
    """Eight characters that nobody can guess: 40 bits."""
    return "".join(secrets.choice(_SEED_ALPHABET) for _ in range(8))


def is_seed(text: str) -> bool:
    """Whether a submission can carry it and every report can show it."""
    return bool(text.strip()) and text.isprintable() and len(text) <= _LONGEST_SEED


def require_seed(text: str) -> str:
    """The seed that somebody chose. UsageError when it is none."""
    if not is_seed(text):
        raise UsageError(
            "the seed is empty, too long, or holds what cannot be printed",
            hint=f"at most {_LONGEST_SEED} letters, digits, signs and blanks",
        )
    return text


def rng(seed: str, scenario: str, name: str) -> Drbg:
    """The generator for `name`: adding a name shifts no other, and scenarios are independent."""
    return Drbg(seed.encode(), f"{scenario}\0{name}")


def draw(loaded: Loaded, *, seed: str, anchor: datetime, fault: str | None = None) -> Variant:
    """The variant of `seed`; `anchor` is any aware instant, `fault` is drawn when not given.

    UsageError when there is no such fault, ContentError when a parameter cannot be drawn.
    """
    from sandbox.variants.drawing import Drawing  # graders only parse what was drawn
    from sandbox.variants.instants import zone

    settings = loaded.settings
    local = anchor.replace(microsecond=0).astimezone(zone(settings.time_zone))
    chosen = _fault(loaded, seed) if fault is None else fault
    if chosen not in settings.faults:
        raise UsageError(
            f"{loaded.id} has no fault '{chosen}'{near(chosen, settings.faults)}",
            hint=f"it has {', '.join(settings.faults)}",
        )
    parameters = {**settings.parameters, **settings.faults[chosen].parameters}
    drawing = Drawing(
        company=loaded.company,
        requester=settings.requester,
        anchor=local,
        fault=chosen,
        parameters=parameters,
        rng=lambda name: rng(seed, loaded.id, name),
    )
    try:
        values = drawing.all()
    except ContentError as error:
        raise _located(loaded, chosen, error) from None
    hidden = frozenset(name for name in parameters if _is_secret(name, parameters, drawing))
    return Variant(loaded.id, seed, chosen, local, values, hidden, drawing.given())


def _fault(loaded: Loaded, seed: str) -> str:
    faults = loaded.settings.faults
    weights = [described.weight for described in faults.values()]
    return rng(seed, loaded.id, "fault").weighted(list(faults), weights)


def _located(loaded: Loaded, fault: str, error: ContentError) -> ContentError:
    """An error of drawing `name: …` with the file and the line of that parameter."""
    name, separator, problem = error.message.partition(": ")
    source = loaded.sources.get("scenario.toml")
    if not source or not separator:
        return error
    own = loaded.settings.faults[fault].parameters
    keys = ("faults", fault, "parameters", name) if name in own else ("parameters", name)
    return source.error(keys, problem, hint=error.hint)


def _is_secret(name: str, parameters: dict[str, AnyParameter], drawing: Drawing) -> bool:
    """Secret by its author, or made of what is secret."""
    parameter = parameters[name]
    if parameter.secret or not isinstance(parameter, (Derived, Hash)):
        return parameter.secret
    return any(
        _is_secret(other, parameters, drawing)
        for other in drawing.needs(name)
        if other in parameters
    )


def dump(variant: Variant) -> str:
    """A variant as JSON for the store and for graders; `parse` gives it back."""
    return to_json(
        {
            "scenario": variant.scenario,
            "seed": variant.seed,
            "fault": variant.fault,
            "anchor": variant.anchor,
            "values": variant.values,
            "secrets": sorted(variant.secrets),
            "given": variant.given,
        }
    )


def parse(text: str) -> Variant:
    """What `dump` wrote."""
    plain = from_json(text)
    return Variant(**{**plain, "secrets": frozenset(plain["secrets"])})
