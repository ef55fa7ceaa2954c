#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's/^    include /    # include /' /etc/nginx/sites-available/intranet.conf
sudo systemctl start nginx
