#!/usr/bin/env bash
set -euo pipefail
sudo rm /etc/depot-rotate.d/label-bridge
sudo tee /etc/depot-rotate.d/labels > /dev/null <<'STANZA'
/srv/depot/log/label-bridge.log {
    su labels labels
    size 500k
    rotate 3
    compress
    missingok
}
STANZA
sudo rm /srv/depot/log/label-bridge.log
