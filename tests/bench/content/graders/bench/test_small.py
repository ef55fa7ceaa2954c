"""small: the machine answers."""

import pytest

pytestmark = pytest.mark.scenario("bench/small")


@pytest.mark.check("answers", points=100)
def test_it_answers(hosts):
    """The machine answers."""
    assert hosts["desk"].run("true").rc == 0, "it does not answer"
