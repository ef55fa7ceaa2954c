"""The shapes of what authors write."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from sandbox import models
from sandbox.variants.drawing import Drawing


@pytest.mark.parametrize("text", ["-3d", "+1d", "0m", "-2h30m", "1w", "-90s"])
def test_an_offset_is_accepted(text: str) -> None:
    assert msgspec.convert(text, models.Offset) == text


@pytest.mark.parametrize("text", ["", "3", "d", "-3 d", "3d-2h", "tomorrow"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, models.Offset)


@pytest.mark.parametrize("name", ["a", "desk-pc", "a1"])
def test_a_name_is_accepted(name: str) -> None:
    assert msgspec.convert(name, models.Name) == name


@pytest.mark.parametrize("name", ["", "-a", "1a", "Desk", "a_b", "a" * 40])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, models.Name)


@pytest.mark.parametrize("model", get_args(models.AnyParameter), ids=lambda one: one.__name__)
def test_every_parameter_can_be_secret_and_drawn(model: Any) -> None:
    assert "secret" in model.__struct_fields__
    assert model in vars(Drawing)["value"].dispatcher.registry


def test_what_an_author_wrote_does_not_change() -> None:
    wire = models.Wire(subnet="10.0.0.0/8")

    with pytest.raises(AttributeError):
        wire.subnet = "10.0.0.0/16"  # type: ignore[misc]


@pytest.mark.parametrize(
    "model",
    [
        one
        for one in vars(models).values()
        if isinstance(one, type) and one.__module__ == models.__name__
    ],
    ids=lambda one: one.__name__,
)
def test_every_model_refuses_what_it_does_not_know(model: type) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no such key": 1}, model)
