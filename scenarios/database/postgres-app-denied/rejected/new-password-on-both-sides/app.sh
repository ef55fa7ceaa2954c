#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's/^password = .*/password = Spring-tide-71-barge/' /etc/order-desk/order-desk.conf
sudo systemctl restart order-desk
