#!/usr/bin/env bash
set -euo pipefail
sudo mv /etc/resolvers.d/20-bench.conf /etc/resolvers.d/90-bench.conf
sudo systemctl restart resolver-list.service
cat /etc/resolv.conf
