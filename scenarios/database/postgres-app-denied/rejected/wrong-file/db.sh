#!/usr/bin/env bash
set -euo pipefail
sudo sed -i "1i listen_addresses = '*'" /etc/postgresql/17/main/postgresql.conf
sudo systemctl restart postgresql@17-main
