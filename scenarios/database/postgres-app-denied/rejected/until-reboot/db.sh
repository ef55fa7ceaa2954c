#!/usr/bin/env bash
set -euo pipefail
sudo mkdir -p /run/systemd/system/postgresql@17-main.service.d
sudo tee /run/systemd/system/postgresql@17-main.service.d/listen.conf > /dev/null <<'UNIT'
[Service]
ExecStart=
ExecStart=/usr/bin/pg_ctlcluster --skip-systemctl-redirect 17-main start -o "-c listen_addresses=*"
UNIT
sudo systemctl daemon-reload
sudo systemctl restart postgresql@17-main
