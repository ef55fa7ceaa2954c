#!/usr/bin/env bash
set -euo pipefail
copies=(/var/backups/etc-nginx-*)
sudo cp "${copies[-1]}"/intranet/*.conf /etc/nginx/intranet/
sudo nginx -t
sudo systemctl start nginx
