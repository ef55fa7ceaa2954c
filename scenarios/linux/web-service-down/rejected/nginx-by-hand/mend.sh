#!/usr/bin/env bash
set -euo pipefail
sudo /usr/sbin/nginx
