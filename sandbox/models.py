"""The shapes of everything a scenario author writes; the JSON Schemas are published from these.

All are read with `msgspec.convert`, which refuses unknown keys. A value called a *format* may
name parameters in braces, `{site}.quillhaven.example` or `{requester.login}`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Identifier = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Points = Annotated[int, Meta(ge=0, le=100)]


class Content(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an author wrote: immutable, and every key is known."""


# --- parameters: what a seed draws --------------------------------------------------------------


class Parameter(Content, tag_field="type"):
    """A value drawn by its own name; `secret` ones never show in ticket, JSON or messages."""

    secret: bool = False


class Choice(Parameter, tag="choice"):
    """One of `of`; with `distinct_from`, never the value of those parameters."""

    of: list[Any]
    distinct_from: list[Identifier] = []


class Sample(Parameter, tag="sample"):
    """`count` different items of `of`, in drawn order: a list."""

    of: list[Any]
    count: Annotated[int, Meta(ge=1)]


class Integer(Parameter, tag="integer"):
    """A whole number from `low` to `high`, both possible, in steps of `step`."""

    low: int
    high: int
    step: Annotated[int, Meta(ge=1)] = 1


class Port(Parameter, tag="port"):
    """A TCP or UDP port from `low` to `high`; well-known services' ports are left out."""

    low: int = 8001
    high: int = 9999
    distinct_from: list[Identifier] = []


class Address(Parameter, tag="address"):
    """A host address within `subnet` (a format); `low` and `high` bound its last part."""

    subnet: str
    low: int = 10
    high: int = 250
    distinct_from: list[Identifier] = []


class Mac(Parameter, tag="mac"):
    """A locally administered MAC address, `02:…`."""


class Person(Parameter, tag="person"):
    """Somebody of the company: `.login .name .first .last .email .department .title .site .phone`.

    `department` and `site` narrow the choice, `distinct_from` excludes those parameters' people,
    `login` names one outright.
    """

    department: str = ""
    site: str = ""
    login: str = ""
    distinct_from: list[Identifier] = []


class Password(Parameter, tag="password"):
    """A password of `length` characters without look-alikes."""

    length: int = 16


class Token(Parameter, tag="token"):
    """Random hexadecimal digits, `length` of them."""

    length: int = 32


class Hash(Parameter, tag="hash"):
    """A hash of the format `of`: `sha256` (hex), `sha512crypt` (for /etc/shadow), `scram` (PostgreSQL)."""

    of: str
    method: Literal["sha256", "sha512crypt", "scram"] = "sha256"


class KeyPair(Parameter, tag="key-pair"):
    """An SSH key pair: `.private` (OpenSSH), `.public` (one line), `.fingerprint`; ed25519."""

    comment: str = ""


class Certificate(Parameter, tag="certificate"):
    """An X.509 certificate: `.certificate .key .chain` in PEM, `.serial .not_after`.

    `subject` and `names` are formats; days are relative to the anchor; `issuer` names another
    certificate parameter, otherwise it signs itself; `ca` makes it an authority.
    """

    subject: str
    names: list[str] = []
    issuer: str = ""
    ca: bool = False
    starts_days: int = -30
    ends_days: int = 365
    rsa: bool = False


class Date(Parameter, tag="date"):
    """An instant drawn from `low` to `high` relative to the anchor (`-3d`, `-2h30m`, `+1d`).

    A datetime in the anchor's time zone; `hours = [8, 18]` keeps it within these hours of the day.
    """

    low: str
    high: str
    hours: list[int] = []


class Table(Parameter, tag="table"):
    """Rows of generated data: a list of dicts, made by the generator `generator`."""

    generator: str
    rows: int
    options: dict[str, Any] = {}


class LogStream(Parameter, tag="log"):
    """Text of a generated log from `start` (relative to the anchor) to `end`, by `generator`."""

    generator: str
    start: str = "-7d"
    end: str = "0m"
    lines: int = 1000
    options: dict[str, Any] = {}


class Derived(Parameter, tag="derived"):
    """The format `value`, computed from other parameters."""

    value: str


AnyParameter = (
    Choice
    | Sample
    | Integer
    | Port
    | Address
    | Mac
    | Person
    | Password
    | Token
    | Hash
    | KeyPair
    | Certificate
    | Date
    | Table
    | LogStream
    | Derived
)


# --- scenario.toml ----------------------------------------------------------------------------


class Wire(Content):
    """A segment that joins hosts; `subnet` (a format) documents it for lint and tickets."""

    subnet: str


class Plug(Content):
    """A host's NIC on a wire. `address` and `gateway` are formats; the engine lays a
    systemd-networkd file for them, `/etc/systemd/network/10-<nic>.network`, that a fault may
    overwrite. Without an address the NIC is left to the overlay."""

    wire: Name
    nic: str = ""  # lan0, lan1, … by position
    address: str = ""
    gateway: str = ""
    dns: list[str] = []


class Volume(Content):
    """A small disk of its own at `path`: kept over reboots, empty at the start."""

    path: str
    size: Annotated[str, Meta(pattern=r"^[0-9]+[km]$")]
    inodes: int = 0


class Host(Content):
    """A machine. A hidden one is the outside view, which learners cannot log in to; a fresh one is
    hidden too, and made anew for every check and grade."""

    image: Name = "base"
    title: str = ""  # what the ticket calls it
    hostname: str = ""  # default: the host's key
    hidden: bool = False
    fresh: bool = False
    init: Literal["systemd", "none"] = "systemd"
    wires: list[Plug] = []
    aliases: list[str] = []  # formats: further names in every host's /etc/hosts
    memory: Annotated[str, Meta(pattern=r"^[0-9]+[mg]$")] = "256m"
    cpus: float = 1.0
    pids: int = 512
    capabilities: list[str] = []
    volumes: list[Volume] = []
    ready: list[str] = []  # tcp:PORT, unit:NAME, file:PATH; hold with the fault in place


class Fault(Content):
    """What can be broken. `title` is shown only after the grade."""

    title: str
    parameters: dict[Identifier, AnyParameter] = {}
    weight: Annotated[int, Meta(ge=0)] = 1


class Artifact(Content):
    """A file that no package registry carries; see `images/<image>/artifacts.toml`."""

    name: str
    version: str
    urls: dict[str, str]  # by architecture: amd64, arm64
    sha256: dict[str, str]
    license: str = ""


class Scenario(Content):
    """`scenario.toml`."""

    title: str
    summary: str
    area: str
    level: Annotated[int, Meta(ge=1, le=4)]
    minutes: Annotated[int, Meta(ge=5, le=480)]
    requester: str  # login of somebody in the company, or the name of a person parameter
    version: Annotated[int, Meta(ge=1)] = 1
    status: Literal["ready", "draft"] = "ready"
    skills: list[str] = []
    forbidden_words: list[str] = []
    time_zone: str = "Europe/Amsterdam"
    learner: str = ""  # the host `internbox ssh` opens; default: the first that is not hidden
    hosts: dict[Name, Host]
    wires: dict[Name, Wire] = {}
    parameters: dict[Identifier, AnyParameter] = {}
    faults: dict[Name, Fault]


# --- files.toml -------------------------------------------------------------------------------


class FileRule(Content):
    """What one path (or pattern) of an overlay is on the machine. The first rule that fits an
    overlay file sets its attributes; `link`, `delete`, `directory` need no file in the overlay."""

    path: str  # absolute; * ? [] ** allowed where it sets attributes or deletes
    owner: str = ""  # user or user:group, by name or number
    mode: str = ""  # "0640"
    mtime: str = ""  # relative to the anchor: "-3d"
    link: str = ""  # becomes a symbolic link to this
    delete: bool = False
    directory: bool = False  # an empty directory
    gzip: bool = False  # stored compressed; the path then ends in .gz


class FilesToml(Content):
    """`files.toml` at the top of an overlay folder."""

    files: list[FileRule] = []


# --- hints.toml, note.toml --------------------------------------------------------------------


class Hint(Content):
    """`text` is a Jinja2 template; `cost` is taken off the score."""

    text: str
    cost: Points


class FaultHints(Content):
    steps: list[Hint]


class HintsToml(Content):
    """Step 1 is for all faults, steps 2 and 3 for the one at hand."""

    first: Hint
    faults: dict[Name, FaultHints]


class Fact(Content):
    """A fact a good note has. `accept` holds wordings, each a Jinja2 template: words that must all
    stand, in any order, within one sentence; `a|b` is either; a trailing `*` is any ending."""

    id: Name
    says: str  # shown when it is missing: never gives the cause away
    accept: list[str]
    fault: list[Name] = []  # only for these faults; empty: for all


class NoteToml(Content):
    """`note.toml`. The cause facts of the other faults are this fault's contradictions."""

    facts: list[Fact]
    min_words: int = 20
    max_words: int = 400


# --- solutions and rejected cases -------------------------------------------------------------


class Step(Content):
    """One step of a solution: run `script` on `host`, or reboot it.

    ssh      as the learner, `intern`, over the learner's port; the script runs by its #! line
    console  the same, logged in on the console, for machines that SSH does not reach
    """

    host: Name
    via: Literal["ssh", "console"] = "ssh"
    script: str = ""  # file beside solution.toml; with .j2 it is rendered with the variant
    reboot: bool = False
    wait: float = 0.0  # seconds after the step


class Solution(Content):
    """`solution.toml`: a way to mend `faults` ("*": all of them)."""

    title: str
    faults: list[str] = ["*"]
    steps: list[Step]
    note: str = "note.md.j2"
    hints: int = 0


class Expectation(Content):
    """`expect.toml`: what a rejected case must get, no more and no less."""

    why: str
    fails: list[Name] = []  # checks that must not earn their points
    guards: list[Name] = []  # guards it must break
    tampered: bool = False
    max_points: Points


# --- scenarios/company ------------------------------------------------------------------------


class Employee(Content):
    """Somebody who works there."""

    login: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9.]{1,30}$")]
    name: str
    department: str
    title: str
    site: str
    phone: str = ""


class Site(Content):
    name: str
    subnet: str
    city: str = ""


class Company(Content):
    """`scenarios/company/company.toml`: the employer, shared by all scenarios."""

    name: str
    domain: str
    about: str
    time_zone: str
    departments: dict[Name, str]
    sites: dict[Name, Site]
    people: list[Employee]
    networks: dict[Name, str] = field(default_factory=dict)  # the address plan: name → subnet
