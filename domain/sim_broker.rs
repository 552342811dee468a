//! The simulated broker: fills, slippage, delays, rejections and gaps as pure events.
