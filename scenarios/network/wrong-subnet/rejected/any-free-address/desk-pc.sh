#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's#^Address=.*#Address=10.20.10.126/24#' /etc/systemd/network/10-lan0.network
sudo networkctl reload
sudo networkctl reconfigure lan0
