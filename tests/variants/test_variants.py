"""What a seed makes of a scenario."""

from __future__ import annotations

import ipaddress
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import models, scenarios, variants
from sandbox.errors import ContentError, UsageError
from sandbox.paths import ScenarioFiles
from sandbox.variants.values import from_json, to_json

CONTENT = Path(__file__).parents[1] / "data" / "content"
ANCHOR = datetime(2026, 3, 4, 9, 30, 15, 987654, tzinfo=UTC)
Drawer = Callable[..., variants.Variant]


@pytest.fixture(scope="session")
def loaded() -> scenarios.Loaded:
    return scenarios.load(ScenarioFiles(CONTENT, "linux/sample"))


@pytest.fixture
def draw(loaded: scenarios.Loaded) -> Drawer:
    """Draws parameters, given as TOML would hold them, in the place of the sample's own."""

    def drawn(
        seed: str = "seedling", anchor: datetime = ANCHOR, **parameters: dict[str, Any]
    ) -> variants.Variant:
        made = msgspec.convert(parameters, dict[str, models.AnyParameter])
        faults = {"one": models.Fault(title="One")}
        settings = msgspec.structs.replace(
            loaded.settings, parameters=made, faults=faults, requester="ada.stone"
        )
        return variants.draw(replace(loaded, settings=settings), seed=seed, anchor=anchor)

    return drawn


def many(draw: Drawer, name: str, **parameters: dict[str, Any]) -> list[Any]:
    """The value `name` of forty seeds."""
    return [draw(f"seed{index}", **parameters).values[name] for index in range(40)]


# --- the variant ------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_variant(loaded: scenarios.Loaded) -> None:
    first = variants.draw(loaded, seed="abc", anchor=ANCHOR)

    assert first == variants.draw(loaded, seed="abc", anchor=ANCHOR)
    assert first != variants.draw(loaded, seed="abd", anchor=ANCHOR)


def test_the_sample_is_drawn_as_it_always_was(loaded: scenarios.Loaded) -> None:
    drawn = variants.draw(loaded, seed="forever", anchor=ANCHOR, fault="wrong-root")

    assert drawn.values.site == "scree"
    assert drawn.values.port == 8685
    assert drawn.values.address == "10.7.9.47"
    assert drawn.values.password == "YhhSM3zXaesVfxPx"


def test_a_new_parameter_shifts_no_other(draw: Drawer) -> None:
    port = {"type": "port"}

    alone = draw(port=port).values.port

    assert draw(before={"type": "token"}, port=port).values.port == alone


def test_seeds_are_not_repeated() -> None:
    seeds = {variants.new_seed() for _ in range(200)}

    assert len(seeds) == 200
    assert all(re.fullmatch("[a-z2-7]{8}", seed) for seed in seeds)


def test_the_anchor_is_of_the_scenarios_zone_and_whole_seconds(loaded: scenarios.Loaded) -> None:
    anchor = variants.draw(loaded, seed="a", anchor=ANCHOR.replace(month=7)).anchor

    assert anchor.isoformat() == "2026-07-04T10:30:15+01:00"
    assert anchor.tzinfo == ZoneInfo("Europe/Lisbon")


def test_a_zone_that_nobody_knows_is_an_authors_error(loaded: scenarios.Loaded) -> None:
    settings = msgspec.structs.replace(loaded.settings, time_zone="Europe/Atlantis")

    with pytest.raises(ContentError, match="unknown time zone 'Europe/Atlantis'"):
        variants.draw(replace(loaded, settings=settings), seed="a", anchor=ANCHOR)


# --- faults -----------------------------------------------------------------------------------


def test_faults_are_drawn_by_weight(loaded: scenarios.Loaded) -> None:
    drawn = [variants.draw(loaded, seed=f"s{i}", anchor=ANCHOR).fault for i in range(300)]

    assert 60 < drawn.count("wrong-root") < 140  # its weight is 1 of 3


def test_a_student_does_not_get_the_same_fault_everywhere(loaded: scenarios.Loaded) -> None:
    names = [f"area/scenario-{number}" for number in range(5)]
    alike = 0
    for student in range(30):
        faults = {
            variants.draw(replace(loaded, id=name), seed=f"student{student}", anchor=ANCHOR).fault
            for name in names
        }
        alike += len(faults) == 1

    assert alike < 15


def test_a_fault_may_be_asked_for(loaded: scenarios.Loaded) -> None:
    drawn = variants.draw(loaded, seed="a", anchor=ANCHOR, fault="wrong-root")

    assert drawn.fault == "wrong-root"
    assert drawn.values.folder in ("old", "draft")
    assert "other_port" not in drawn.values


def test_an_unknown_fault_is_refused_with_what_is_near(loaded: scenarios.Loaded) -> None:
    with pytest.raises(UsageError, match="did you mean 'wrong-root'"):
        variants.draw(loaded, seed="a", anchor=ANCHOR, fault="wrong-rot")


def test_a_faults_parameter_overrides_the_scenarios(loaded: scenarios.Loaded) -> None:
    fault = models.Fault(title="x", parameters={"site": models.Derived(value="fixed")})
    settings = msgspec.structs.replace(loaded.settings, faults={"one": fault})

    drawn = variants.draw(replace(loaded, settings=settings), seed="a", anchor=ANCHOR)

    assert drawn.values.site == "fixed"


# --- types ------------------------------------------------------------------------------------


def test_a_choice_reaches_all_items(draw: Drawer) -> None:
    assert set(many(draw, "a", a={"type": "choice", "of": ["x", "y", 3]})) == {"x", "y", 3}


def test_a_choice_may_be_a_table_with_attributes(draw: Drawer) -> None:
    value = draw(a={"type": "choice", "of": [{"name": "n", "port": 1}]}).values.a

    assert (value.name, value["port"]) == ("n", 1)


def test_a_distinct_choice_is_another(draw: Drawer) -> None:
    of = ["x", "y"]
    for index in range(20):
        values = draw(
            f"s{index}",
            b={"type": "choice", "of": of, "distinct_from": ["a"]},
            a={"type": "choice", "of": of},
        ).values
        assert values.a != values.b


def test_a_choice_of_nothing_left_is_an_error(draw: Drawer) -> None:
    one = {"type": "choice", "of": ["x"]}

    with pytest.raises(ContentError, match=r"parameters\.b: nothing is left to choose from"):
        draw(a=one, b=one | {"distinct_from": ["a"]})


def test_a_sample_has_different_items(draw: Drawer) -> None:
    value = draw(a={"type": "sample", "of": list("abcde"), "count": 4}).values.a

    assert len(set(value)) == 4


def test_a_sample_that_asks_too_much_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="`of` has fewer than `count` items"):
        draw(a={"type": "sample", "of": ["x"], "count": 2})


def test_an_integer_keeps_bounds_and_steps(draw: Drawer) -> None:
    drawn = many(draw, "a", a={"type": "integer", "low": 5, "high": 21, "step": 5})

    assert set(drawn) == {5, 10, 15, 20}


def test_an_integer_between_nothing_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="`high` is lower than `low`"):
        draw(a={"type": "integer", "low": 5, "high": 4})


def test_a_port_is_nobody_elses(draw: Drawer) -> None:
    drawn = many(draw, "a", a={"type": "port", "low": 8078, "high": 8082})

    assert set(drawn) == {8078, 8079, 8081, 8082}


def test_an_address_is_within_its_subnet_and_bounds(draw: Drawer) -> None:
    one = {"type": "address", "subnet": "10.7.{third}.0/24", "low": 20, "high": 22}
    drawn = many(draw, "a", a=one, third={"type": "derived", "value": "3"})

    assert set(drawn) == {"10.7.3.20", "10.7.3.21", "10.7.3.22"}


def test_an_address_of_a_small_subnet_is_neither_network_nor_broadcast(draw: Drawer) -> None:
    one = {"type": "address", "subnet": "10.7.9.128/29", "low": 0, "high": 250}
    subnet = ipaddress.ip_network("10.7.9.128/29")

    assert set(many(draw, "a", a=one)) == {str(host) for host in subnet.hosts()}


def test_a_subnet_may_come_from_the_company(draw: Drawer) -> None:
    value = draw(a={"type": "address", "subnet": "{company.networks[quay]}"}).values.a

    assert value.startswith("10.7.1.")


def test_a_subnet_that_is_none_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match=r"parameters\.a: subnet: "):
        draw(a={"type": "address", "subnet": "10.7.9.4/24"})


def test_a_mac_is_locally_administered(draw: Drawer) -> None:
    assert re.fullmatch("02(:[0-9a-f]{2}){5}", draw(a={"type": "mac"}).values.a)


def test_a_person_is_somebody_of_the_company(draw: Drawer) -> None:
    bo = draw(a={"type": "person", "department": "it", "site": "hill"}).values.a

    assert bo == {
        "login": "bo.gravel",
        "name": "Bo van der Gravel",
        "first": "Bo",
        "last": "van der Gravel",
        "email": "bo.gravel@pebble.example",
        "department": "it",
        "title": "Administrator",
        "site": "hill",
        "phone": "",
    }


def test_a_person_may_be_named_outright(draw: Drawer) -> None:
    assert draw(a={"type": "person", "login": "cy.sand"}).values.a.first == "Cy"


def test_a_person_may_be_other_than_the_requester(draw: Drawer) -> None:
    one = {"type": "person", "department": "it", "distinct_from": ["requester"]}

    assert {value.login for value in many(draw, "a", a=one)} == {"bo.gravel"}


def test_a_person_that_nobody_is_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="nobody fits"):
        draw(a={"type": "person", "department": "moon"})


def test_a_password_has_no_look_alikes(draw: Drawer) -> None:
    value = draw(a={"type": "password", "length": 200}).values.a

    assert len(value) == 200
    assert not set(value) & set("0O1lIi")


def test_a_token_has_the_length_that_was_asked(draw: Drawer) -> None:
    assert re.fullmatch("[0-9a-f]{7}", draw(a={"type": "token", "length": 7}).values.a)


@pytest.mark.parametrize(
    ("method", "form"),
    [
        ("sha256", "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918"),
        ("sha512crypt", r"\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}"),
        ("scram", r"SCRAM-SHA-256\$4096:[^$]+\$[^:]+:.+"),
    ],
)
def test_a_hash_is_of_the_format(draw: Drawer, method: str, form: str) -> None:
    word = {"type": "derived", "value": "admin"}

    value = draw(word=word, a={"type": "hash", "of": "{word}", "method": method}).values.a

    assert re.fullmatch(form, value)


def test_a_key_pair_has_its_comment(draw: Drawer) -> None:
    who = {"type": "person", "login": "cy.sand"}

    pair = draw(who=who, a={"type": "key-pair", "comment": "{who.login}@web"}).values.a

    assert pair.public.endswith(" cy.sand@web")
    assert pair.private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_a_certificate_is_issued_by_the_one_that_is_named(draw: Drawer) -> None:
    values = draw(
        leaf={"type": "certificate", "subject": "w.{company.domain}", "issuer": "middle"},
        middle={"type": "certificate", "subject": "CN=m", "ca": True, "issuer": "root"},
        root={"type": "certificate", "subject": "CN=r", "ca": True, "ends_days": 10},
    ).values

    assert values.leaf.subject == "CN=w.pebble.example"
    assert values.leaf.chain == values.leaf.certificate + values.middle.certificate
    assert values.root.not_after.isoformat() == "2026-03-14T09:30:15+00:00"


def test_a_date_is_whole_seconds_within_its_bounds(draw: Drawer) -> None:
    drawn = many(draw, "a", a={"type": "date", "low": "-2h30m", "high": "-1h"})

    anchor = ANCHOR.replace(microsecond=0)
    assert all(timedelta(hours=1) <= anchor - one <= timedelta(hours=2.5) for one in drawn)
    assert all(one.microsecond == 0 for one in drawn)
    assert len(set(drawn)) > 30


def test_a_date_keeps_to_the_hours_of_the_day(draw: Drawer) -> None:
    drawn = many(draw, "a", a={"type": "date", "low": "-30d", "high": "0m", "hours": [8, 10]})

    assert {one.hour for one in drawn} == {8, 9}


def test_a_date_that_cannot_be_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="no instant lies between"):
        draw(a={"type": "date", "low": "-2h", "high": "-1h", "hours": [20, 22]})


def test_a_date_of_no_hours_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="not two hours of a day"):
        draw(a={"type": "date", "low": "-2d", "high": "-1h", "hours": [22, 6]})


def test_a_table_has_rows_with_attributes(draw: Drawer) -> None:
    rows = draw(a={"type": "table", "generator": "orders", "rows": 5}).values.a

    assert len(rows) == 5
    assert rows[0].number == rows[0]["number"]


def test_a_log_is_of_its_time(draw: Drawer) -> None:
    text = draw(a={"type": "log", "generator": "app", "start": "-1d", "lines": 7}).values.a

    assert len(text.splitlines()) == 7
    assert text.startswith("2026-03-03T")


def test_an_option_is_a_format(draw: Drawer) -> None:
    log = {"type": "log", "generator": "app", "lines": 3, "options": {"service": "{name}"}}

    text = draw(a=log, name={"type": "derived", "value": "weighing"}).values.a

    assert text.count("service=weighing") == 3


def test_a_generator_that_is_none_is_an_error(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="there is no generator 'oders'; did you mean 'orders'"):
        draw(a={"type": "table", "generator": "oders", "rows": 5})


def test_a_derived_value_is_made_of_others_in_any_order(draw: Drawer) -> None:
    values = draw(
        a={"type": "derived", "value": "{b}-{requester.first}-{n:03d}-{{x}}"},
        b={"type": "derived", "value": "b"},
        n={"type": "integer", "low": 7, "high": 7},
    ).values

    assert values.a == "b-Ada-007-{x}"


def test_a_circle_is_an_error_that_shows_it(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="it refers to itself: a → b → a"):
        draw(a={"type": "derived", "value": "{b}"}, b={"type": "derived", "value": "{a}"})


def test_a_format_that_names_nothing_is_an_error_with_what_is_near(draw: Drawer) -> None:
    with pytest.raises(ContentError, match="names 'sitee', which there is not; did you mean 'site"):
        draw(site={"type": "token"}, a={"type": "derived", "value": "{sitee}"})


def test_an_error_of_drawing_names_file_and_line(loaded: scenarios.Loaded, tmp_path: Path) -> None:
    content = shutil.copytree(CONTENT, tmp_path / "content")
    files = ScenarioFiles(content, loaded.id)
    files.settings.write_text(files.settings.read_text().replace('"10.7.9.0/24"\nd', '"ten"\nd'))
    line = files.settings.read_text().splitlines().index("[parameters.desk]") + 1

    with pytest.raises(ContentError, match=rf"scenario\.toml:{line}: parameters\.desk: subnet: "):
        variants.draw(scenarios.load(files), seed="a", anchor=ANCHOR)


# --- secrets ----------------------------------------------------------------------------------


def test_secret_values_are_not_public(loaded: scenarios.Loaded) -> None:
    drawn = variants.draw(loaded, seed="a", anchor=ANCHOR)

    assert "password" not in drawn.public
    assert drawn.public.site == drawn.values.site


def test_what_is_made_of_a_secret_is_secret(loaded: scenarios.Loaded) -> None:
    drawn = variants.draw(loaded, seed="a", anchor=ANCHOR)

    assert drawn.secrets == {"password", "login_line"}


def test_secret_values_are_redacted(loaded: scenarios.Loaded) -> None:
    drawn = variants.draw(loaded, seed="a", anchor=ANCHOR)

    assert drawn.redact(f"got <{drawn.values.password}>") == "got <••••>"


def test_private_keys_are_secret_whatever_the_author_says(draw: Drawer) -> None:
    drawn = draw(a={"type": "key-pair"}, b={"type": "certificate", "subject": "x"})
    line = drawn.values.a.private.splitlines()[2]

    assert set(drawn.public.a) == {"public", "fingerprint"}
    assert "key" not in drawn.public.b
    assert drawn.redact(f"{line} {drawn.values.a.public}") == f"•••• {drawn.values.a.public}"


def test_a_secret_of_some_letters_does_not_blot_out_texts(draw: Drawer) -> None:
    drawn = draw(a={"type": "choice", "of": ["a"], "secret": True})

    assert drawn.redact("a banana") == "a banana"


# --- as text ----------------------------------------------------------------------------------


def test_a_variant_survives_the_store(draw: Drawer) -> None:
    drawn = draw(
        when={"type": "date", "low": "-3d", "high": "-1d"},
        log={"type": "log", "generator": "nginx-access", "lines": 400},
        who={"type": "person"},
        pair={"type": "key-pair", "secret": True},
        some={"type": "sample", "of": [1, "two", 3.5, True], "count": 4},
    )

    back = variants.parse(variants.dump(drawn))

    assert back == drawn
    assert back.values.when.tzinfo == ZoneInfo("Europe/Lisbon")
    assert back.values.who.login == drawn.values.who.login


def test_a_long_log_is_stored_compressed(draw: Drawer) -> None:
    drawn = draw(log={"type": "log", "generator": "nginx-access", "lines": 3000})

    assert len(variants.dump(drawn)) < len(drawn.values.log) / 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner),
    )
)
def test_any_value_survives_json(value: Any) -> None:
    assert from_json(to_json(value)) == value


def test_a_format_knows_values_company_and_requester(loaded: scenarios.Loaded) -> None:
    drawn = variants.draw(loaded, seed="a", anchor=ANCHOR)

    text = drawn.format("{site} {company.domain} {requester.login} {fault}")

    assert text == f"{drawn.values.site} pebble.example {drawn.values.reporter.login} {drawn.fault}"
