"""Grading: graders run in a closed child process, and what they saw becomes a grade."""
