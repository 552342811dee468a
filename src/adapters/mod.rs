//! Adapters: a file per outside thing.

pub mod alpaca_http;
pub mod alpaca_stream;
pub mod anthropic_http;
pub mod audit_files;
pub mod broker_journal;
pub mod clock;
pub mod context_redb;
pub mod context_sled;
pub mod control_http;
pub mod heartbeat;
pub mod journal_files;
pub mod lock;
pub mod model_http;
pub mod notify;
pub mod openai_http;
pub mod paper_days;
pub mod prices_file;
pub mod random;
pub mod safety_store;
pub mod slack_http;
pub mod spend_ledger;
pub mod store_reopen;
pub mod store_writer;
pub mod tape_files;
pub mod telegram_http;
pub mod webhook_http;
