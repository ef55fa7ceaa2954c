#!/usr/bin/env bash
set -euo pipefail
sudo mv /srv/depot/audit/customs-audit.log /var/backups/
