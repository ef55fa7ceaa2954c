#!/bin/sh
# A clean start.
sudo find /srv/reports/portal -name '*.csv' -delete
