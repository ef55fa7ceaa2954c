#!/usr/bin/env bash
set -euo pipefail
rndc-confgen -a -u bind > /dev/null 2>&1
chown bind:bind /etc/bind/rndc.key
