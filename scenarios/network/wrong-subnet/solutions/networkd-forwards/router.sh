#!/usr/bin/env bash
set -euo pipefail
for nic in lan0 lan1; do
    sudo mkdir -p "/etc/systemd/network/10-$nic.network.d"
    printf '[Network]\nIPv4Forwarding=yes\n' | sudo tee "/etc/systemd/network/10-$nic.network.d/forward.conf" > /dev/null
done
sudo systemctl restart systemd-networkd
