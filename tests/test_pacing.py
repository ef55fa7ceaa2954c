"""As many pieces of work at a time as the processors have time for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import pacing
from sandbox.pacing import paced

Tell = Callable[[int, int], None]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Sets what the kernel says of idle and of all time so far."""
    told = [(0, 0)]
    monkeypatch.setattr(pacing, "_times", lambda: told[0])
    monkeypatch.setattr(pacing, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    def write(idle: int, busy: int) -> None:
        told[0] = (idle, idle + busy)

    return write


class Crowd:
    """Work that notes how much of it ran at once; each round the kernel's figures go on."""

    def __init__(self, tell: Tell, *, idle: int, busy: int) -> None:
        self.tell, self.step = tell, (idle, busy)
        self.now = self.most = self.asked = 0
        self.lock = threading.Lock()

    def __call__(self, item: int) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        for _ in range(15):
            time.sleep(0.01)
            with self.lock:
                self.asked += 1
                self.tell(*(self.asked * part for part in self.step))
        with self.lock:
            self.now -= 1
        return item * 10


def test_every_item_comes_with_its_result(tell: Tell) -> None:
    assert sorted(paced(lambda item: item * 10, range(5))) == [(n, n * 10) for n in range(5)]


def test_nothing_to_do_is_nothing_done(tell: Tell) -> None:
    assert list(paced(str, [])) == []


def test_on_busy_processors_there_is_one_more_than_there_are_of_them(tell: Tell) -> None:
    crowd = Crowd(tell, idle=0, busy=10)
    list(paced(crowd, range(9)))

    assert crowd.most == 3


def test_while_they_idle_more_begins(tell: Tell) -> None:
    crowd = Crowd(tell, idle=9, busy=1)
    list(paced(crowd, range(20)))

    assert 3 < crowd.most <= pacing.MOST


def test_where_nobody_tells_there_are_few(tell: Tell) -> None:
    crowd = Crowd(tell, idle=0, busy=0)
    list(paced(crowd, range(9)))

    assert crowd.most == 3


def test_a_number_of_jobs_is_kept_to(tell: Tell) -> None:
    crowd = Crowd(tell, idle=9, busy=1)
    list(paced(crowd, range(12), jobs=5))

    assert crowd.most == 5


def test_after_an_error_nothing_more_begins(tell: Tell) -> None:
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        list(paced(work, range(9), jobs=1))
    assert begun == [0]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("cpu  10 1 5 70 4 2 3 5 9 9\ncpu0 1 1 1 1 1 1 1 1 0 0\n", (74, 100)),
        ("cpu 10 1 5 70\n", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_the_kernel_s_figures_are_read(
    text: str, times: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stat").write_text(text)
    monkeypatch.setattr(pacing, "STAT", tmp_path / "stat")

    assert pacing._times() == times


def test_other_systems_have_no_such_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "STAT", tmp_path / "none")

    assert pacing._times() == (0, 0)
