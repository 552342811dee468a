"""A session at our exchange through Prism, which holds both directions against the broker's own
specification.

usage: exchange_spec.py TRADING_PROXY DATA_PROXY URL KEY SECRET
Prints `passed: N requests` when nothing was violated; each violation otherwise.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

TRADING, DATA, URL, KEY, SECRET = sys.argv[1:6]
HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET, "content-type": "application/json"}
count, violations = 0, []


def ask(method, url, body=None, expected=(200,)):
    global count
    count += 1
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=HEADERS, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    said = answer.headers.get("sl-violations")
    what = f"{method} {url.split('/', 3)[3]}"
    if said or '"type":"https://stoplight.io' in text.replace(" ", ""):
        violations.append(f"{what}: {said or text}")
    elif answer.status not in expected:
        violations.append(f"{what}: {answer.status} {text}")
    return json.loads(text) if text else None


def step(until):
    ask("POST", URL + "/sandbox/step", {"until": until})


def order(expected=(200,), **fields):
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", **fields}
    return ask("POST", TRADING + "/v2/orders", body, expected)


for path in [
    "account", "account/configurations", "clock", "assets", "assets/AAPL", "positions", "orders",
    "calendar?start=2000-06-01T00:00:00Z&end=2000-06-30T00:00:00Z", "account/activities", "account/portfolio/history",
]:
    ask("GET", f"{TRADING}/v2/{path}")
first = order(qty="10", client_order_id="spec-1")
order(qty="10", client_order_id="spec-1", expected=(422,))
step("2000-06-16T13:30:00Z")
ask("GET", TRADING + "/v2/orders:by_client_order_id?client_order_id=spec-1")
ask("GET", f"{TRADING}/v2/orders/{first['id']}")
order(notional="100", symbol="MSFT")
order(qty="5", type="limit", limit_price="150.10", time_in_force="gtc", order_class="bracket",
      symbol="MSFT", take_profit={"limit_price": "170"}, stop_loss={"stop_price": "5"})
order(qty="1000000", expected=(403,))
order(qty="1", type="limit", limit_price="1.001", expected=(422,))
rest = order(qty="3", side="sell", type="limit", limit_price="900", time_in_force="gtc")
order(qty="2", side="sell", type="trailing_stop", trail_percent="40", time_in_force="gtc")
new = ask("PATCH", f"{TRADING}/v2/orders/{rest['id']}", {"limit_price": "901.5"})
ask("DELETE", f"{TRADING}/v2/orders/{new['id']}", expected=(204,))
ask("DELETE", f"{TRADING}/v2/orders/{new['id']}", expected=(422,))
for query in ["status=all&nested=true", "status=closed&limit=2&direction=asc", "status=open&symbols=AAPL,MSFT"]:
    ask("GET", f"{TRADING}/v2/orders?{query}")
step("2000-06-16T20:00:00Z")
# Not by /v2/account/activities/FILL: a fill matches both schemas of its oneOf, whoever sends it.
for path in ["positions", "positions/AAPL", "account", "account/activities?activity_types=FILL", "account/portfolio/history"]:
    ask("GET", f"{TRADING}/v2/{path}")
for path in [
    "v2/stocks/bars?symbols=AAPL,MSFT&timeframe=1Day&limit=5&adjustment=split",
    "v2/stocks/AAPL/bars?timeframe=1Week",
    "v2/stocks/bars/latest?symbols=AAPL", "v2/stocks/quotes/latest?symbols=AAPL,MSFT",
    "v2/stocks/trades/latest?symbols=AAPL", "v2/stocks/snapshots?symbols=AAPL", "v1beta1/news?symbols=AAPL",
]:
    ask("GET", f"{DATA}/{path}")
ask("DELETE", TRADING + "/v2/orders", expected=(207,))
ask("DELETE", TRADING + "/v2/positions/AAPL?percentage=50")
step("2000-06-19T13:30:00Z")
ask("DELETE", TRADING + "/v2/positions?cancel_orders=true", expected=(207,))
ask("GET", TRADING + "/v2/account/activities?activity_types=FILL&page_size=3&direction=desc")
for violation in violations:
    print("VIOLATION:", violation)
sys.exit(1) if violations else print(f"passed: {count} requests")
