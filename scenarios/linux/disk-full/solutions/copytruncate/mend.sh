#!/usr/bin/env bash
set -euo pipefail
sudo tee /etc/depot-rotate.d/gate-recorder > /dev/null <<'STANZA'
/srv/depot/gate/gate.trace {
    size 200k
    rotate 1
    copytruncate
}
STANZA
sudo systemctl restart gate-recorder
