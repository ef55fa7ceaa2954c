"""The shapes of everything a scenario author writes; the JSON Schemas are published from these.

All are read with `msgspec.convert`, which refuses unknown keys. A value called a *format* may
name parameters in braces, `{site}.quillhaven.example` or `{requester.login}`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="lower-case letters, digits and hyphens, a letter first",
        examples=["web", "desk-pc"],
    ),
]
Identifier = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,40}$",
        description="lower-case letters, digits and underscores, a letter first",
        examples=["site", "old_port"],
    ),
]
Login = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9.]{1,30}$",
        description="a login: lower-case letters, digits and dots",
        examples=["mila.brandt"],
    ),
]
Memory = Annotated[
    str,
    Meta(pattern=r"^[0-9]+[mg]$", description="an amount of memory", examples=["256m", "1g"]),
]
Size = Annotated[
    str,
    Meta(pattern=r"^[0-9]+[km]$", description="the size of a small disk", examples=["64m"]),
]
Offset = Annotated[
    str,
    Meta(
        pattern=r"^[+-]?([0-9]+[wdhms])+$",
        description="an instant relative to the anchor",
        examples=["-3d", "-2h30m", "+1d", "0m"],
    ),
]
Points = Annotated[int, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=1)]


class Content(Struct, frozen=True, forbid_unknown_fields=True):
    """What an author wrote: immutable, and every key is known."""


# --- parameters: what a seed draws --------------------------------------------------------------


class Parameter(Content, frozen=True, tag_field="type", kw_only=True):
    """A value drawn by its own name; `secret` ones never show in ticket, JSON or messages."""

    secret: bool = False


class Choice(Parameter, frozen=True, tag="choice"):
    """One of `of`; with `distinct_from`, never the value of those parameters."""

    of: list[Any]
    distinct_from: list[Identifier] = []


class Sample(Parameter, frozen=True, tag="sample"):
    """`count` different items of `of`, in drawn order: a list."""

    of: list[Any]
    count: Count


class Integer(Parameter, frozen=True, tag="integer"):
    """A whole number from `low` to `high`, both possible, in steps of `step`."""

    low: int
    high: int
    step: Count = 1


class Port(Parameter, frozen=True, tag="port"):
    """A TCP or UDP port from `low` to `high`; well-known services' ports are left out."""

    low: int = 8001
    high: int = 9999
    distinct_from: list[Identifier] = []


class Address(Parameter, frozen=True, tag="address"):
    """A host address within `subnet` (a format); `low` and `high` bound its last part."""

    subnet: str
    low: int = 10
    high: int = 250
    distinct_from: list[Identifier] = []


class Mac(Parameter, frozen=True, tag="mac"):
    """A locally administered MAC address, `02:…`."""


class Person(Parameter, frozen=True, tag="person"):
    """Somebody of the company: `.login .name .first .last .email .department .title .site .phone`.

    `department` and `site` narrow the choice, `distinct_from` excludes those parameters' people,
    `login` names one outright.
    """

    department: str = ""
    site: str = ""
    login: str = ""
    distinct_from: list[Identifier] = []


class Password(Parameter, frozen=True, tag="password"):
    """A password of `length` characters without look-alikes."""

    length: Count = 16


class Token(Parameter, frozen=True, tag="token"):
    """Random hexadecimal digits, `length` of them."""

    length: Count = 32


class Hash(Parameter, frozen=True, tag="hash"):
    """A hash of the format `of`: `sha256` in hex, `sha512crypt` for Unix, `scram` for SQL."""

    of: str
    method: Literal["sha256", "sha512crypt", "scram"] = "sha256"


class KeyPair(Parameter, frozen=True, tag="key-pair"):
    """An SSH key pair: `.private` (OpenSSH), `.public` (one line), `.fingerprint`; ed25519."""

    comment: str = ""


class Certificate(Parameter, frozen=True, tag="certificate"):
    """An X.509 certificate over a P-256 key: `.certificate .key .chain` in PEM, `.subject .names`,
    `.serial` (hexadecimal), `.fingerprint` (SHA-256), `.not_before .not_after`.

    `subject` (a common name, or `CN=…,O=…`) and `names` (DNS names and addresses) are formats;
    days are relative to the anchor; `issuer` names another certificate parameter, otherwise it
    signs itself; `ca` makes it an authority. `.chain` is what a server sends: the certificate and
    its issuers, without the root.
    """

    subject: str
    names: list[str] = []
    issuer: str = ""
    ca: bool = False
    starts_days: int = -30
    ends_days: int = 365


class Date(Parameter, frozen=True, tag="date"):
    """An instant drawn from `low` to `high` relative to the anchor (`-3d`, `-2h30m`, `+1d`).

    A datetime in the anchor's time zone; `hours = [8, 18]` keeps it within these hours of the day.
    """

    low: Offset
    high: Offset
    hours: Annotated[list[int], Meta(max_length=2)] = []


class Table(Parameter, frozen=True, tag="table"):
    """Rows of generated data: a list of dicts, made by the generator `generator`.

    Their dates lie between `start` and `end`, relative to the anchor.
    """

    generator: str
    rows: Count
    start: Offset = "-90d"
    end: Offset = "0m"
    options: dict[str, Any] = {}


class LogStream(Parameter, frozen=True, tag="log"):
    """Text of a generated log from `start` (relative to the anchor) to `end`, by `generator`."""

    generator: str
    start: Offset = "-7d"
    end: Offset = "0m"
    lines: Count = 1000
    options: dict[str, Any] = {}


class Derived(Parameter, frozen=True, tag="derived"):
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


class Wire(Content, frozen=True):
    """A segment that joins hosts; `subnet` (a format) documents it for lint and tickets."""

    subnet: str


class Plug(Content, frozen=True):
    """A host's NIC on a wire. `address` and `gateway` are formats; the engine lays a
    systemd-networkd file for them, `/etc/systemd/network/10-<nic>.network`, that a fault may
    overwrite. Without an address the NIC is left to the overlay."""

    wire: Name
    nic: str = ""  # lan0, lan1, … by position
    address: str = ""
    gateway: str = ""
    dns: list[str] = []


class Volume(Content, frozen=True):
    """A small disk of its own at `path`: kept over reboots, empty at the start."""

    path: str
    size: Size
    inodes: int = 0


class Host(Content, frozen=True):
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
    memory: Memory = "256m"
    cpus: float = 1.0
    pids: int = 512
    capabilities: list[str] = []
    volumes: list[Volume] = []
    ready: list[str] = []  # formats tcp:PORT, unit:NAME, file:PATH; hold with the fault in place


class Fault(Content, frozen=True):
    """What can be broken. `title` is shown only after the grade. `ways` names choices of which each
    value is another way to be broken: the proof tries them all."""

    title: str
    parameters: dict[Identifier, AnyParameter] = {}
    ways: list[Identifier] = []
    weight: Annotated[int, Meta(ge=0)] = 1


class Artifact(Content, frozen=True):
    """A file that no package registry carries; see `images/<image>/artifacts.toml`."""

    name: str
    version: str
    urls: dict[str, str]  # by architecture: amd64, arm64
    sha256: dict[str, str]
    license: str = ""


class Scenario(Content, frozen=True, kw_only=True):
    """`scenario.toml`."""

    title: str
    summary: str
    area: str
    level: Annotated[int, Meta(ge=1, le=4)]
    minutes: Annotated[int, Meta(ge=5, le=480)]
    requester: str  # login of somebody in the company, or the name of a person parameter
    version: Count = 1
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


class FileRule(Content, frozen=True):
    """What one path (or pattern) of an overlay is on the machine. The first rule that fits an
    overlay file sets its attributes; `link`, `delete`, `directory` need no file in the overlay."""

    path: str  # absolute; * ? [] ** allowed where it sets attributes or deletes
    owner: str = ""  # user or user:group, by name or number
    mode: Annotated[str, Meta(pattern="^([0-7]{3,4})?$", examples=["0640", "4755"])] = ""
    mtime: str = ""  # relative to the anchor: "-3d"; a format
    link: str = ""  # becomes a symbolic link to this
    delete: bool = False
    directory: bool = False  # an empty directory
    gzip: bool = False  # stored compressed; the path then ends in .gz


class FilesToml(Content, frozen=True):
    """`files.toml` at the top of an overlay folder."""

    files: list[FileRule] = []


# --- hints.toml, note.toml --------------------------------------------------------------------


class Hint(Content, frozen=True):
    """`text` is a Jinja2 template; `cost` is taken off the score."""

    text: str
    cost: Points


class FaultHints(Content, frozen=True):
    steps: list[Hint]


class HintsToml(Content, frozen=True):
    """Step 1 is for all faults, steps 2 and 3 for the one at hand."""

    first: Hint
    faults: dict[Name, FaultHints]


class Fact(Content, frozen=True):
    """A fact a good note has. `accept` holds wordings, each a Jinja2 template: words that must all
    stand, in any order, within one sentence; `a|b` is either; a trailing `*` is any ending."""

    id: Name
    says: str  # shown when it is missing: never gives the cause away
    accept: list[str]
    fault: list[Name] = []  # only for these faults; empty: for all


class NoteToml(Content, frozen=True):
    """`note.toml`. The cause facts of the other faults are this fault's contradictions."""

    facts: list[Fact]
    min_words: int = 20
    max_words: int = 400


# --- solutions and rejected cases -------------------------------------------------------------


class Step(Content, frozen=True):
    """One step of a solution: run `script` on `host`, or reboot it.

    ssh      as the learner, `intern`, over the learner's port; the script runs by its #! line
    console  the same, logged in on the console, for machines that SSH does not reach
    """

    host: Name
    via: Literal["ssh", "console"] = "ssh"
    script: str = ""  # file beside solution.toml; with .j2 it is rendered with the variant
    reboot: bool = False
    wait: float = 0.0  # seconds after the step


class Solution(Content, frozen=True, kw_only=True):
    """`solution.toml`: a way to mend `faults` ("*": all of them)."""

    title: str
    faults: list[str] = field(default_factory=lambda: ["*"])
    steps: list[Step]
    note: str = "note.md.j2"
    hints: int = 0


class Expectation(Content, frozen=True, kw_only=True):
    """`expect.toml`: what a rejected case must get, no more and no less."""

    why: str
    fails: list[Name] = []  # checks that must not earn their points
    guards: list[Name] = []  # guards it must break
    tampered: bool = False
    max_points: Points


# --- scenarios/company ------------------------------------------------------------------------


class Employee(Content, frozen=True):
    """Somebody who works there."""

    login: Login
    name: str
    department: str
    title: str
    site: str
    phone: str = ""


class Site(Content, frozen=True):
    name: str
    subnet: str
    city: str = ""


class Company(Content, frozen=True):
    """`scenarios/company/company.toml`: the employer, shared by all scenarios."""

    name: str
    domain: str
    about: str
    time_zone: str
    departments: dict[Name, str]
    sites: dict[Name, Site]
    people: list[Employee]
    networks: dict[Name, str] = {}  # the address plan: name → subnet
