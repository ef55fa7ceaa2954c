#!/usr/bin/env bash
set -euo pipefail
cd /
sudo -u postgres psql -X -d orderdesk <<'SQL'
GRANT ALL ON SCHEMA sales TO orderdesk;
GRANT ALL ON ALL TABLES IN SCHEMA sales TO orderdesk;
GRANT ALL ON ALL SEQUENCES IN SCHEMA sales TO orderdesk;
SQL
