#!/usr/bin/env bash
set -euo pipefail
cd /
sudo -u postgres psql -X -d orderdesk <<'SQL'
BEGIN;
CREATE TABLE sales.orders_new (LIKE sales.orders INCLUDING ALL);
DROP TABLE sales.orders;
ALTER TABLE sales.orders_new RENAME TO orders;
ALTER TABLE sales.orders OWNER TO order_owner;
GRANT USAGE ON SCHEMA sales TO orderdesk;
GRANT SELECT, INSERT, UPDATE ON sales.orders TO orderdesk;
GRANT USAGE ON SEQUENCE sales.order_numbers TO orderdesk;
GRANT SELECT ON sales.orders TO report;
COMMIT;
SQL
