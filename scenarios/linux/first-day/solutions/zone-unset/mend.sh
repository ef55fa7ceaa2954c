#!/usr/bin/env bash
set -euo pipefail
sudo mkdir -p /etc/systemd/system/print-log.service.d
printf '[Service]\nUnsetEnvironment=TZ\n' |
    sudo tee /etc/systemd/system/print-log.service.d/zz-local-time.conf > /dev/null
sudo systemctl daemon-reload
sudo systemctl restart print-log
