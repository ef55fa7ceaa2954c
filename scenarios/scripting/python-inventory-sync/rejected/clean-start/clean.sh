#!/bin/sh
# All of them, to be sure.
cd /
sudo -u postgres psql --quiet --dbname stock --command 'TRUNCATE items, movements, stocktakes'
