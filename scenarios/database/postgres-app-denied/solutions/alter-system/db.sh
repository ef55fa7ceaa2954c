#!/usr/bin/env bash
set -euo pipefail
cd /
sudo -u postgres psql -X -c "ALTER SYSTEM SET listen_addresses = '*'"
sudo pg_ctlcluster 17 main restart
