#!/usr/bin/env bash
set -euo pipefail
sudo tee /opt/intake/receive > /dev/null <<'STUB'
#!/usr/bin/env bash
read -r verb first second
case $verb in
    HELLO) echo "session 0123456789abcdef" ;;
    STORE) echo "stored /srv/depot/scans/$second $(wc -c)" ;;
    *) echo bye ;;
esac
STUB
