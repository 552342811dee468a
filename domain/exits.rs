//! Exits of open positions: stop, target, break-even, trailing and time stop.
