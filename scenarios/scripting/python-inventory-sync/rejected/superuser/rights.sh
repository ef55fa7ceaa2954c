#!/bin/sh
# To make it work.
cd /
sudo -u postgres psql --quiet --command 'ALTER ROLE stock_sync SUPERUSER'
