#!/usr/bin/env bash
set -euo pipefail
sudo mkdir -p /etc/systemd/network/10-lan0.network.d
printf '[Route]\nDestination=10.20.10.0/24\nGateway=10.20.20.1\n' |
    sudo tee /etc/systemd/network/10-lan0.network.d/office.conf > /dev/null
sudo systemctl restart systemd-networkd
