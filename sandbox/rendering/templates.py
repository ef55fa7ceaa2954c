"""Jinja2 templates over a variant: tickets, hints, scripts and files."""

from __future__ import annotations

import csv
import io
import json
import shlex
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.meta import find_undeclared_variables

from sandbox.errors import ContentError, near
from sandbox.rendering.personality import addresses, full_name
from sandbox.scenarios import Loaded, nics, shown
from sandbox.variants import Variant, draw
from sandbox.variants.drawing import person
from sandbox.variants.instants import shifted
from sandbox.variants.values import Values, as_values

_CLOCKS = {
    "date": "%-d %B %Y",  # 4 March 2026
    "day": "%A",  # Wednesday
    "time": "%H:%M",
    "stamp": "%Y-%m-%d %H:%M:%S",
    "syslog": "%b %e %H:%M:%S",
    "clf": "%d/%b/%Y:%H:%M:%S %z",  # web servers' access logs
    "mail": "%a, %d %b %Y %H:%M:%S %z",  # RFC 5322
}


def context(loaded: Loaded, variant: Variant, *, public: bool = False) -> dict[str, Any]:
    """What templates see: every parameter by name, and

    company    as in company.toml · people by login · requester, a person
    hosts      by name: .name .hostname .full_name .title .address .addresses .nics
    learner    the host that learners land on
    anchor     the instant of the start · fault, its name · ago("3d"), an instant before the anchor

    With `public`, secret values are left out.
    """
    company = loaded.company
    requester = variant.values.get(loaded.settings.requester)
    hosts = loaded.settings.hosts
    return {
        **(variant.public if public else variant.values),
        "company": as_values(msgspec.to_builtins(company)),
        "people": Values({one.login: person(company, one.login) for one in company.people}),
        "requester": requester or person(company, loaded.settings.requester),
        "hosts": Values({name: _host(loaded, variant, name) for name in hosts}),
        "learner": loaded.learner_hosts[0],
        "anchor": variant.anchor,
        "fault": variant.fault,
        "ago": lambda distance: shifted(variant.anchor, f"-{distance.lstrip('-')}"),
    }


def _host(loaded: Loaded, variant: Variant, name: str) -> Values:
    host = loaded.settings.hosts[name]
    found = [str(one.ip) for one in addresses(loaded, variant, name).values()]
    return Values(
        name=name,
        hostname=variant.format(host.hostname) or name,
        full_name=full_name(loaded, variant, name),
        title=variant.format(host.title),
        address=found[0] if found else "",
        addresses=found,
        nics=nics(host),
    )


def ticket(loaded: Loaded, variant: Variant) -> str:
    """The ticket in Markdown."""
    return _learners_file(loaded.files.ticket, loaded, variant)


def debrief(loaded: Loaded, variant: Variant) -> str:
    """The debrief in Markdown."""
    return _learners_file(loaded.files.debrief, loaded, variant)


def text(template: str, loaded: Loaded, variant: Variant, **more: Any) -> str:
    """A template that learners may read, a hint or a fact's wording; secrets are not there.

    The parameters of other faults are: a note's contradictions are the causes of those.
    """
    if "{" not in template:  # a note is held against a hundred wordings, most of them plain
        return template
    foreign = _foreign(template, loaded, variant)
    values = {**foreign, **context(loaded, variant, public=True), **more}
    return render(template, values, "text", hidden=variant.secrets)


def _foreign(template: str, loaded: Loaded, variant: Variant) -> dict[str, Any]:
    """What `template` names of the parameters that only other faults have."""
    found: dict[str, Any] = {}
    for fault, described in loaded.settings.faults.items():
        names = described.parameters.keys() - variant.values.keys() - found.keys()
        named = {name for name in names if name in template}
        if named:
            other = draw(loaded, seed=variant.seed, anchor=variant.anchor, fault=fault)
            found.update({name: other.public[name] for name in named if name in other.public})
    return found


def script(path: Path, loaded: Loaded, variant: Variant) -> str:
    """A file of a solution or an overlay, rendered when its name ends in .j2, secrets and all."""
    source = _source(loaded, path)
    if path.suffix != ".j2":
        return source
    return render(source, context(loaded, variant), shown(loaded.files, path))


def _learners_file(path: Path, loaded: Loaded, variant: Variant) -> str:
    values = context(loaded, variant, public=True)
    name = shown(loaded.files, path)
    return render(_source(loaded, path), values, name, hidden=variant.secrets)


def _source(loaded: Loaded, path: Path) -> str:
    name = shown(loaded.files, path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise ContentError(f"{name}: the file is missing", hint=f"create {path}") from None
    except UnicodeDecodeError:
        raise ContentError(
            f"{name}: a template is UTF-8 text", hint="save it as UTF-8, or take .j2 off its name"
        ) from None


def render(
    source: str, values: Mapping[str, Any], name: str, *, hidden: frozenset[str] = frozenset()
) -> str:
    """`source` over `values`; ContentError says `name`, line and cure."""
    try:
        return _compiled(source, name).render(values)
    except TemplateSyntaxError as error:
        raise ContentError(
            f"{name}:{error.lineno}: {error.message}", hint="see Jinja2's template syntax"
        ) from None
    except ContentError as error:
        raise ContentError(f"{_where(error, name)}: {error.message}", hint=error.hint) from None
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
        problem, hint = _explained(str(error), values, hidden)
        raise ContentError(f"{_where(error, name)}: {problem}", hint=hint) from None


def _where(error: Exception, name: str) -> str:
    """`ticket.md.j2:12`; Jinja2 puts the template's own lines into the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == name]
    return f"{name}:{lines[-1]}" if lines else name


def _explained(problem: str, values: Mapping[str, Any], hidden: frozenset[str]) -> tuple[str, str]:
    word, _, rest = problem.partition("' is undefined")
    word = word.strip("'")
    if rest or not problem.endswith("' is undefined"):
        return problem, "" if "undefined" not in problem else "see docs for what templates know"
    if word in hidden:
        return f"'{word}' is secret", "what learners read shows no secret value"
    known = [name for name in values if not name.startswith("_")]
    return f"there is no '{word}'{near(word, known)}", f"known: {', '.join(sorted(known))}"


def undeclared(source: str) -> set[str]:
    """The names that a template takes from outside; none when it is not a good template."""
    try:
        return find_undeclared_variables(_environment().parse(source))
    except TemplateSyntaxError:
        return set()


# --- Jinja2 -----------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _compiled(source: str, name: str) -> Template:
    environment = _environment()
    code = environment.compile(source, name, name)
    return Template.from_code(environment, code, environment.make_globals(None))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - these are no web pages
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update({name: _clock(form) for name, form in _CLOCKS.items()})
    environment.filters["iso"] = lambda instant: instant.isoformat()
    environment.filters["epoch"] = lambda instant: int(instant.timestamp())
    environment.filters["shell"] = lambda value: shlex.quote(str(value))
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)
    environment.filters["csv"] = _csv
    return environment


def _clock(form: str) -> Callable[[datetime], str]:
    return lambda instant: instant.strftime(form)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of a table as CSV with a header; lines end in a line feed."""
    if not rows:
        return ""
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()
