"""Names, pages and programs that the generated logs and tables are made of."""

from __future__ import annotations

import ipaddress

from sandbox.models import Company
from sandbox.variants.drbg import Drbg


def _listed(text: str, separator: str = " ") -> list[str]:
    return text.split(separator)


# RFC 5737: addresses that stand for the outside and belong to nobody.
OUTSIDE = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")

FIRST_NAMES = _listed(
    "Amélie Anton Beatriz Björn Carla Chiara Dario Elif Emil Femke Filip Gesa Giulia Håkon Henrik"
    " Ilse Ismael Jana Jeroen Joana Kadir Karin Lars Lotte Łukasz Maja Malik Márta Nadia Niels"
    " Noémi Oskar Paula Pieter Quentin Renske René Ruben Sanne Selma Søren Tessa Theo Ulrike"
    " Vasco Vera Willem Yara Zeynep Zoë"
)
LAST_NAMES = _listed(
    "Aerts|Almeida|Bakker|Baumann|Bergström|Brouwer|Çelik|Costa|D'Angelo|de Boer|de Vries|Dijkstra"
    "|Eriksen|Fischer|Fontaine|García|Groß|Hakimi|Hansen|Hendriks|Hoffmann|Ivanova|Jansen|Kaya"
    "|Kowalski|Krüger|Lefèvre|Lindgren|Maes|Marchetti|Moreau|Müller|Nagy|Novák|Nuñez|O'Brien"
    "|Okoye|Olsen|Peeters|Pereira|Petrov|Rossi|Sánchez|Schmitz|Smit|Szabó|Teixeira|van den Berg"
    "|van Dijk|Verhoeven|Visser|Weber|Willems|Yilmaz|Zając|Øvergaard",
    "|",
)

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.4 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Mobile Safari/537.36",
)
SCANNER_AGENTS = ("python-requests/2.32.3", "Go-http-client/1.1", "curl/8.14.1", "-")
PAGES = _listed(
    "/ /news /canteen /phonebook /assets/app.css /assets/app.js /assets/logo.svg /favicon.ico"
    " /forms/leave /forms/expenses /rota /shipments /shipments/today /customers /howto/printing"
    " /howto/vpn /search?q=holiday /search?q=pallets /api/menu /api/rota"
)
PROBED = _listed(
    "/wp-login.php /.env /.git/config /phpmyadmin/ /admin /xmlrpc.php /server-status"
    " /cgi-bin/luci /actuator/health /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php"
)
SCANNED_USERS = _listed(
    "admin root test oracle ubuntu postgres user ftp git pi support guest deploy www backup"
    " nagios hadoop mysql"
)

CITIES = _listed(
    "Antwerp Bremen Brno Bruges Cologne Cork Dijon Essen Ghent Gothenburg Graz Groningen Kassel"
    " Leuven Liège Linz Lyon Malmö Metz Münster Namur Odense Porto Reims Rotterdam Szeged Tilburg"
    " Trieste Utrecht Vigo Wrocław Zwolle"
)
CUSTOMERS = _listed(
    "Aarhof Möbel|Bellmaker & Daughters|Brightwell Cycles|Casa Lumina|Drost Pumps|Elderflower Tea"
    "|Fjord Kayaks|Glasswerk Nord|Hoekstra Seeds|Iglesia Instruments|Jutta Keramik|Kestrel Optics"
    "|Lacework Mills|Meridian Lamps|Nimbus Tents|Oakhurst Joinery|Papeterie Delvaux|Quarry Tiles"
    "|Rivet & Sons|Silverlake Cheese|Tidewater Ropes|Umber Paints|Velo Ateliers|Wexford Looms",
    "|",
)
ARTICLES = (
    ("bicycle frames", 18900),
    ("cable drums", 7450),
    ("cardboard sleeves", 1240),
    ("ceramic tiles", 3380),
    ("corner protectors", 890),
    ("desk lamps", 4275),
    ("glass jars", 1995),
    ("kayak hulls", 61000),
    ("label rolls", 655),
    ("linen bales", 9920),
    ("oak boards", 14350),
    ("optical lenses", 23800),
    ("paint tins", 2710),
    ("pallet wrap", 1180),
    ("pump housings", 31250),
    ("seed sacks", 2460),
    ("stretch film", 1530),
    ("tea chests", 5120),
    ("tent poles", 3640),
    ("wooden crates", 2890),
)
CARRIERS = ("own lorry", "Norderlink", "Trans-Maas", "Alpina Cargo", "Kustlijn")


def clients(rng: Drbg, company: Company, subnets: list[str], count: int) -> list[str]:
    """`count` addresses of desks, spread over `subnets`, by default over the company's sites."""
    nets = [
        ipaddress.ip_network(one)
        for one in subnets or (site.subnet for site in company.sites.values())
    ]
    found = []
    for index in range(count):
        net = nets[index % len(nets)]
        low = min(50, net.num_addresses // 4)
        found.append(str(net[rng.between(low, max(low, min(199, net.num_addresses - 2)))]))
    return found


def outsider(word: int) -> str:
    """An address of the outside from a random number."""
    net = OUTSIDE[word % 3].rpartition(".")[0]
    return f"{net}.{1 + word // 3 % 254}"
