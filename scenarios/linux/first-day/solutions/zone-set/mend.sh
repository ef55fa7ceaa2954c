#!/usr/bin/env bash
set -euo pipefail
sudo sed -i '/^#\?TZ=/d' /etc/default/print-log
echo 'TZ=Europe/Amsterdam' | sudo tee -a /etc/default/print-log > /dev/null
sudo systemctl restart print-log.service
