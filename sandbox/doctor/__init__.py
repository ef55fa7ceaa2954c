"""Whether this computer can run the machines: checks, cures, and a probe."""

from sandbox.doctor.bench import Bench, Finding, State
from sandbox.doctor.checks import examine
from sandbox.doctor.cures import mend, mend_all
from sandbox.doctor.probe import Trial, probe
from sandbox.doctor.report import Examined, report

__all__ = [
    "Bench",
    "Examined",
    "Finding",
    "State",
    "Trial",
    "examine",
    "mend",
    "mend_all",
    "probe",
    "report",
]
