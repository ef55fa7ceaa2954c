"""Nothing below is a test: `python tests/bench/run.py` measures, and content/ is what it starts."""

collect_ignore_glob = ["*"]
