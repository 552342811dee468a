"""Every minute of a day at our exchange with the broker's own client, alpaca-py: bars and updates of
orders by its streams, orders by its requests.

usage: exchange_day.py URL KEY SECRET DAY; the exchange's clock is stepped from here, a minute at a time.
Prints `passed: …` for every part, and fails at the first that does not.
"""

import asyncio
import sys
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)
from alpaca.trading.stream import TradingStream

from exchange_sdk import KEY, SECRET, URL, Heard, control, listen, passed, ready

DAY = sys.argv[4]
SYMBOLS = ["AAA", "BBB", "CCC"]
MINUTES = 390


def close_to(price, percent):
    return round(price * (1 + percent / 100), 2)


def act(trading, minute, price, held):
    """What a trader of habits does at a minute; says the names of the orders that it has sent."""
    phase, common = minute % 30, {"time_in_force": TimeInForce.DAY}
    if phase == 2:
        return [trading.submit_order(MarketOrderRequest(
            symbol="AAA", qty=10, side=OrderSide.BUY, client_order_id=f"day-in-{minute}", **common))]
    if phase == 3:
        return [trading.submit_order(StopOrderRequest(
            symbol="AAA", qty=held["AAA"], side=OrderSide.SELL, stop_price=close_to(price["AAA"], -5),
            client_order_id=f"day-stop-{minute}", **common))]
    if phase in (6, 9):
        open_stops = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=["AAA"]))
        stop = next(it for it in open_stops if it.type.value == "stop")
        return [trading.replace_order_by_id(stop.id, ReplaceOrderRequest(
            stop_price=close_to(price["AAA"], -4), client_order_id=f"day-moved-{minute}"))]
    if phase == 12:
        for order in trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=["AAA"])):
            trading.cancel_order_by_id(order.id)
    if phase == 13:
        return [trading.close_position("AAA")]
    if phase == 15:
        return [trading.submit_order(LimitOrderRequest(
            symbol="BBB", qty=4, side=OrderSide.BUY, limit_price=close_to(price["BBB"], 0.05),
            order_class=OrderClass.BRACKET, client_order_id=f"day-bracket-{minute}",
            take_profit=TakeProfitRequest(limit_price=close_to(price["BBB"], 0.15)),
            stop_loss=StopLossRequest(stop_price=close_to(price["BBB"], -3)), **common))] \
            if "BBB" not in held else []
    if phase == 20:
        return [trading.submit_order(MarketOrderRequest(
            symbol="CCC", notional=123.45, side=OrderSide.BUY, client_order_id=f"day-part-{minute}",
            **common))]
    return []


def play(trading, opening, updates, bars):
    """Every minute: time, the bars of it by the stream, and what is done on them."""
    price, sent = {}, []
    for minute in range(MINUTES):
        control("/sandbox/step", {"seconds": 60})
        begun = opening + timedelta(minutes=minute)
        for symbol in SYMBOLS:
            bar = bars.until(f"{symbol} at {begun}", lambda it: it.symbol == symbol and it.timestamp == begun)
            price[symbol] = bar.close
        if minute < MINUTES - 20:
            held = {it.symbol: float(it.qty) for it in trading.get_all_positions()}
            sent += act(trading, minute, price, held)
    return sent


def main():
    trading = TradingClient(KEY, SECRET, paper=True, url_override=URL)
    data = StockHistoricalDataClient(KEY, SECRET, url_override=URL)
    today = trading.get_calendar(GetCalendarRequest(start=DAY, end=DAY))[0]
    opening = today.open.replace(tzinfo=ZoneInfo("America/New_York"))
    control("/sandbox/step", {"until": opening.isoformat()})
    assert trading.get_clock().is_open and today.close - today.open == timedelta(minutes=MINUTES), today

    updates, bars = Heard(), Heard()
    orders = TradingStream(KEY, SECRET, url_override=URL.replace("http", "ws") + "/stream")
    orders.subscribe_trade_updates(updates.take)
    feed = StockDataStream(KEY, SECRET, url_override=URL.replace("http", "ws") + "/v2/iex")
    feed.subscribe_bars(bars.take, *SYMBOLS)
    listen(orders), listen(feed)
    ready(orders), ready(feed)
    sent = play(trading, opening, updates, bars)
    assert len(sent) > 60 and not trading.get_clock().is_open
    passed(f"{len(sent)} orders in {MINUTES} minutes")

    history = data.get_stock_bars(StockBarsRequest(
        symbol_or_symbols=SYMBOLS, timeframe=TimeFrame.Minute, start=opening, end=datetime.now(opening.tzinfo)))
    for symbol in SYMBOLS:
        heard = [(it.timestamp, it.open, it.close) for it in bars.all if it.symbol == symbol]
        asked = [(it.timestamp, it.open, it.close) for it in history[symbol]]
        assert heard == asked and len(heard) == MINUTES, (symbol, len(heard), len(asked))
    passed("each minute came once by the stream, and is what is told when asked")

    everything = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, limit=500))
    ends = {"fill": "filled", "canceled": "canceled", "replaced": "replaced", "expired": "expired"}
    for order in everything:
        is_it = lambda it: it.order.id == order.id and ends.get(it.event) == order.status.value
        updates.until(f"the end of {order}", is_it)
    kinds = Counter(order.status.value for order in everything)
    assert min(kinds[it] for it in ("filled", "canceled", "replaced")) > 10, kinds
    passed(f"the stream told the end of every order: {dict(kinds)}")

    fills, token = [], None
    while token is None or page:
        query = {"direction": "asc", "page_size": 100, **({"page_token": token} if token else {})}
        page = trading.get("/account/activities/FILL", query)
        fills += page
        token = page[-1]["id"] if page else ""
    told = [it for it in updates.all if it.event in ("fill", "partial_fill")]
    assert len(told) == len(fills) > 30, (len(told), len(fills))
    spent = sum(Decimal(it["price"]) * Decimal(it["qty"]) * (1 if it["side"] == "buy" else -1) for it in fills)
    cash = Decimal(trading.get_account().cash)
    assert abs(100_000 - spent - cash) < Decimal("0.01"), (spent, cash)
    held = Counter()
    for it in fills:
        held[it["symbol"]] += Decimal(it["qty"]) * (1 if it["side"] == "buy" else -1)
    positions = {it.symbol: Decimal(it.qty) for it in trading.get_all_positions()}
    assert {symbol: qty for symbol, qty in held.items() if qty} == positions, (held, positions)
    passed(f"{len(fills)} fills by the stream are those of the account, to the cent and the share")

    async def end():
        await orders.stop_ws()
        await feed.stop_ws()

    asyncio.run(end())


main()
