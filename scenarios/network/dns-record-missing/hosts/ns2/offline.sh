#!/usr/bin/env bash
set -euo pipefail
rndc-confgen -a -u bind > /dev/null 2>&1
chown bind:bind /etc/bind/rndc.key
# bind9 reads from the time of the file when the zone was last found to be good; an old one it throws away.
touch /var/cache/bind/quillhaven.example.zone
