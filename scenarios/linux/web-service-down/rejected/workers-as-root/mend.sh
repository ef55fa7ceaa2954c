#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's/^user www-data;/user root;/' /etc/nginx/nginx.conf
sudo systemctl restart nginx
