#!/usr/bin/env bash
# bind9 reads from the time of the file when the zone was last found to be good; an old one it throws away.
set -euo pipefail
touch /var/cache/bind/quillhaven.example.zone
