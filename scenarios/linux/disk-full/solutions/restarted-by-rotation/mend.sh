#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's/^        \(kill\|pkill\) .*/        systemctl restart gate-recorder.service/' /etc/depot-rotate.d/gate-recorder
sudo systemctl edit --stdin gate-recorder > /dev/null <<'UNIT'
[Unit]
StartLimitIntervalSec=0
UNIT
sudo systemctl restart gate-recorder
