#!/usr/bin/env bash
set -euo pipefail
printf '# After the baseline: this machine is a router.\nnet.ipv4.ip_forward = 1\n' |
    sudo tee /etc/sysctl.d/99-router.conf > /dev/null
sudo sysctl --load /etc/sysctl.d/99-router.conf > /dev/null
