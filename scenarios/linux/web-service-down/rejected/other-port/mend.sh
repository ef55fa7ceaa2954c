#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's/listen 80 /listen 9081 /' /etc/nginx/sites-available/intranet.conf
sudo systemctl start nginx
