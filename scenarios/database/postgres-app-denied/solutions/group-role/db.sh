#!/usr/bin/env bash
set -euo pipefail
cd /
sudo -u postgres psql -X -d orderdesk <<'SQL'
BEGIN;
CREATE ROLE order_entry NOLOGIN;
GRANT USAGE ON SCHEMA sales TO order_entry;
GRANT SELECT, INSERT, UPDATE ON sales.orders TO order_entry;
GRANT USAGE ON SEQUENCE sales.order_numbers TO order_entry;
GRANT order_entry TO orderdesk;
COMMIT;
SQL
