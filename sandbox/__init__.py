"""A simulated IT internship: scenarios on real machines, graded over SSH."""

__version__ = "0.1.0"
