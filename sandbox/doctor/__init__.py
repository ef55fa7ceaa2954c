"""Whether this computer can run the machines: checks, cures, and a probe."""

from sandbox.doctor.bench import Bench, Finding, State
from sandbox.doctor.checks import examine
from sandbox.doctor.cures import mend
from sandbox.doctor.probe import Trial, probe
from sandbox.doctor.report import Examined, report

__all__ = ["Bench", "Examined", "Finding", "State", "Trial", "examine", "mend", "probe", "report"]
