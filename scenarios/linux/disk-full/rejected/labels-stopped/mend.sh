#!/usr/bin/env bash
set -euo pipefail
sudo systemctl disable --now --quiet label-bridge
sudo rm /srv/depot/log/label-bridge.log
