"""Nothing below is a test of ours: it is content that tests read."""

collect_ignore_glob = ["*"]
