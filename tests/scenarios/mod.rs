//! What an operator does to a running council, through the command line and the API.

mod arena;
mod halt;
mod live_money;
mod model_reports;
mod models;
mod money;
mod news;
mod open_market;
mod open_market_approvals;
mod replay;
mod resume;
mod retention;
mod scorecard;
mod service;
mod sessions;
mod shutdown;
mod supervised;
mod telegram;
mod training;
mod universe;
mod venue_faults;
mod venue_gaps;
mod wedged;
