"""A day at our exchange with the broker's own client, alpaca-py: requests and both streams.

usage: exchange_sdk.py URL KEY SECRET; the exchange's clock is stepped from here.
Prints `passed: …` for every part, and fails at the first that does not.
"""

import asyncio
import json
import sys
import threading
import urllib.request

from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import CorporateActionsRequest, StockBarsRequest, StockLatestQuoteRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from alpaca.trading.stream import TradingStream

URL, KEY, SECRET = sys.argv[1:4]
PATIENCE_S = 60


def passed(what):
    print(f"passed: {what}", flush=True)


def control(path, body):
    request = urllib.request.Request(
        URL + path,
        data=json.dumps(body).encode(),
        headers={"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET},
        method="POST",
    )
    return json.load(urllib.request.urlopen(request, timeout=PATIENCE_S))


def step(until):
    control("/sandbox/step", {"until": until})


class Heard:
    """What a stream has said, to be waited for by another thread."""

    def __init__(self):
        self.all, self.changed = [], threading.Condition()

    async def take(self, message):
        with self.changed:
            self.all.append(message)
            self.changed.notify_all()

    def until(self, what, is_it):
        with self.changed:
            if not self.changed.wait_for(lambda: any(map(is_it, self.all)), PATIENCE_S):
                sys.exit(f"FAILED: {what} was not heard; heard {self.all}")
        return next(filter(is_it, self.all))


def listen(stream):
    threading.Thread(target=stream.run, daemon=True).start()


def ready(stream):
    """A stream that has connected; nothing tells so but its own flag."""
    for _ in range(PATIENCE_S * 20):
        if stream._running:
            return
        threading.Event().wait(0.05)
    sys.exit("FAILED: a stream did not connect")


def main():
    trading = TradingClient(KEY, SECRET, paper=True, url_override=URL)
    data = StockHistoricalDataClient(KEY, SECRET, url_override=URL)

    account = trading.get_account()
    assert float(account.cash) == 100_000 and account.status.value == "ACTIVE", account
    assert not trading.get_clock().is_open
    days = trading.get_calendar(GetCalendarRequest(start="2000-06-16", end="2000-06-20"))
    assert len(days) == 3, days
    assert {it.symbol for it in trading.get_all_assets(GetAssetsRequest())} == {"AAPL", "MSFT"}
    passed("account, clock, calendar, assets")

    updates, bars = Heard(), Heard()
    orders = TradingStream(KEY, SECRET, url_override=URL.replace("http", "ws") + "/stream")
    orders.subscribe_trade_updates(updates.take)
    feed = StockDataStream(KEY, SECRET, url_override=URL.replace("http", "ws") + "/v2/iex")
    feed.subscribe_bars(bars.take, "AAPL")
    feed.subscribe_quotes(bars.take, "MSFT")
    listen(orders), listen(feed)
    ready(orders), ready(feed)
    passed("both streams are open")

    bought = trading.submit_order(
        MarketOrderRequest(
            symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY,
            client_order_id="sdk-1",
        )
    )
    assert bought.status == OrderStatus.ACCEPTED, bought
    try:
        trading.submit_order(
            MarketOrderRequest(
                symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY,
                client_order_id="sdk-1",
            )
        )
        sys.exit("FAILED: a name was taken twice")
    except APIError as error:
        assert error.status_code == 422 and "unique" in error.message, error
    step("2000-06-16T13:30:00Z")
    filled = updates.until("a fill", lambda it: it.event == "fill" and it.order.client_order_id == "sdk-1")
    assert filled.qty == 10 and filled.position_qty == 10, filled
    assert trading.get_order_by_client_id("sdk-1").status == OrderStatus.FILLED
    assert trading.get_clock().is_open
    passed("a market order, its fill on the stream, its name used once")

    price = float(filled.price)
    bracket = trading.submit_order(
        LimitOrderRequest(
            symbol="MSFT", qty=5, side=OrderSide.BUY, time_in_force=TimeInForce.GTC,
            limit_price=1000.0, order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=2000.0),
            stop_loss=StopLossRequest(stop_price=5.0),
        )
    )
    assert len(bracket.legs) == 2, bracket
    updates.until("the bracket's fill", lambda it: it.event == "fill" and it.order.symbol == "MSFT")
    trail = trading.submit_order(
        TrailingStopOrderRequest(
            symbol="AAPL", qty=4, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, trail_percent=50.0
        )
    )
    assert float(trail.hwm) == round(price, 2) or trail.hwm is not None, trail
    resting = trading.submit_order(
        LimitOrderRequest(
            symbol="AAPL", qty=6, side=OrderSide.SELL, time_in_force=TimeInForce.DAY, limit_price=round(price * 3, 2)
        )
    )
    replaced = trading.replace_order_by_id(resting.id, ReplaceOrderRequest(limit_price=round(price * 4, 2)))
    assert str(replaced.replaces) == str(resting.id), replaced
    updates.until("a replacement", lambda it: it.event == "replaced" and str(it.order.id) == str(resting.id))
    trading.cancel_order_by_id(replaced.id)
    updates.until("a cancellation", lambda it: it.event == "canceled" and str(it.order.id) == str(replaced.id))
    open_orders = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=False))
    assert len(open_orders) == 3, open_orders
    passed("bracket, trailing stop, replacement, cancellation")

    quote = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert quote.bid_price < quote.ask_price, quote
    step("2000-06-16T20:00:00Z")
    bar = bars.until("a bar", lambda it: hasattr(it, "close") and it.symbol == "AAPL")
    bars.until("a quote", lambda it: hasattr(it, "bid_price") and it.symbol == "MSFT")
    history = data.get_stock_bars(
        StockBarsRequest(symbol_or_symbols=["AAPL", "MSFT"], timeframe=TimeFrame.Day, start="2000-06-01")
    )
    assert history["AAPL"][-1].close == bar.close, (history["AAPL"][-1], bar)
    passed("quotes, bars by request and by stream")

    held = trading.get_open_position("AAPL")
    assert float(held.qty) == 10 and len(trading.get_all_positions()) == 2
    closed = trading.close_all_positions(cancel_orders=True)
    assert all(it.status == 200 for it in closed), closed
    step("2000-06-19T13:30:00Z")
    assert trading.get_all_positions() == []
    fills = trading.get("/account/activities/FILL")
    spent = sum(float(it["price"]) * float(it["qty"]) * (1 if it["side"] == "buy" else -1) for it in fills)
    cash = float(trading.get_account().cash)
    assert abs(100_000 - spent - cash) < 0.01, (spent, cash)
    passed("everything closed, and the cash is what the fills say")

    step("2000-06-21T13:30:00Z")
    actions = CorporateActionsClient(KEY, SECRET, url_override=URL).get_corporate_actions(
        CorporateActionsRequest(symbols=["AAPL"], start="2000-06-01", end="2000-06-30")
    )
    split = actions.data["forward_splits"][0]
    assert (split.symbol, split.new_rate, split.old_rate) == ("AAPL", 2, 1), split
    passed("a split by request, from its day on")

    async def end():
        await orders.stop_ws()
        await feed.stop_ws()

    asyncio.run(end())


if __name__ == "__main__":
    main()
