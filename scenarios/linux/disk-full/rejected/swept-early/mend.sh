#!/usr/bin/env bash
set -euo pipefail
sudo tee /etc/systemd/system/wipe.service > /dev/null <<'UNIT'
[Service]
ExecStart=/bin/sh -c 'while sleep 2; do find /srv/depot/sessions -name "sess_*" -delete; done'

[Install]
WantedBy=multi-user.target
UNIT
sudo systemctl daemon-reload
sudo systemctl enable --now --quiet wipe
sleep 3
