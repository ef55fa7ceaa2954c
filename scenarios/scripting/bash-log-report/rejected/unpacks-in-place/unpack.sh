#!/bin/sh
# Easier to read, and somebody else's.
sudo gunzip -r /srv/logs/portal
