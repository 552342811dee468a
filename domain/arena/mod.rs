//! The arena: contestants with a book each, under the rules of a market, in public.
//!
//! - [`market`]: what each market permits, as code; prompts and the page of rules are made from it.
//! - [`words`], [`chat`]: who takes part, what may be said, and how somebody came to it.
//! - [`snapshot`]: what everybody is shown at a tick.
//! - [`size`], [`book`], [`season`]: from ratings to fills; nothing else moves money.
//! - [`rule_contestant`]: contestants that need no model.
//! - [`gate`]: what a desk may know at a tick, and what it hears when it asks for more.
//! - [`memory`]: what a contestant remembers of its own decisions.
//! - [`desk`]: contestants that are twelve roles around a table.
//! - [`model`]: the models that think for a desk.
//! - [`aggregate`], [`board`]: what all said together, and what it came to.
//! - [`public`]: what a season makes public of itself and of every tick.
//! - [`telling`]: what people are told of a season.
//! - [`vendor`]: what vendors of data say, read.
//! - [`foreign`]: readers of other arenas' files.
//! - [`ledger`], [`imported`]: what a book from elsewhere must come to, line by line, and its row on a board.
//! - [`runs`]: several runs of a season, with intervals.

pub mod aggregate;
pub mod board;
pub mod book;
pub mod chat;
pub mod desk;
pub mod foreign;
pub mod gate;
pub mod imported;
pub mod ledger;
pub mod market;
pub mod memory;
pub mod model;
pub mod public;
pub mod rule_contestant;
pub mod runs;
pub mod season;
pub mod size;
pub mod snapshot;
pub mod telling;
pub mod vendor;
pub mod words;
