#!/usr/bin/env bash
set -euo pipefail
sudo find /srv/depot/sessions -name 'sess_*' -delete
