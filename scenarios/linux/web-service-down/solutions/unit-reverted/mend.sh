#!/usr/bin/env bash
set -euo pipefail
sudo systemctl revert nginx.service
sudo systemctl start nginx.service
