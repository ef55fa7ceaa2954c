useradd --system --user-group --no-create-home --home-dir /srv/reports --shell /usr/sbin/nologin reports

# A name that no version control likes to carry.
cd /srv/logs/portal/oosterkade
mv dock.log $'dock 3\nlate shift.log'
