#!/usr/bin/env bash
set -euo pipefail
sudo truncate -s 0 /srv/depot/log/label-bridge.log
