#!/usr/bin/env bash
set -euo pipefail
now=$(date '+%F %T')
sudo sed -i -E "s/^[0-9-]+ [0-9:]+/$now/" /var/log/print-log/pages.log
