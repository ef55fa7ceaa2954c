#!/usr/bin/env bash
set -euo pipefail
sudo sed -i -e '/^# Review:/,/reject$/d' /etc/postgresql/17/main/pg_hba.conf
cd /
sudo -u postgres psql -X -c 'SELECT pg_reload_conf()'
