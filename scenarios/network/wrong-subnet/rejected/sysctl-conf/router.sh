#!/usr/bin/env bash
set -euo pipefail
echo 'net.ipv4.ip_forward = 1' | sudo tee -a /etc/sysctl.conf > /dev/null
sudo sysctl -p
