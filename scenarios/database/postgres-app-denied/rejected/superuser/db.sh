#!/usr/bin/env bash
set -euo pipefail
cd /
sudo -u postgres psql -X -c 'ALTER ROLE orderdesk SUPERUSER'
