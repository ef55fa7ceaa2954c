#!/usr/bin/env bash
set -euo pipefail
sudo systemd-run --quiet --unit=keep-small sh -c 'while :; do truncate -s 0 /srv/depot/log/label-bridge.log; sleep 1; done'
sleep 1
