#!/usr/bin/env bash
set -euo pipefail
sudo fuser -k 80/tcp
sleep 1
sudo systemctl start nginx
