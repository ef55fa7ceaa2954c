#!/usr/bin/env bash
set -euo pipefail
sudo sed -i '0,/^host /s//host    all         all         0.0.0.0\/0           scram-sha-256\nhost /' /etc/postgresql/17/main/pg_hba.conf
sudo systemctl reload postgresql@17-main
