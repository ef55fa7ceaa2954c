useradd --system --user-group --no-create-home --home-dir /srv/onboarding --shell /usr/sbin/nologin onboard
