//! A season's public record, outside of its directory: one JSON file, or tables in Postgres.
//!
//! Both are made of the season's own files, tick by tick, and never of the season itself: whatever becomes
//! of them, the season does not notice.

mod archive;
mod files;
pub mod postgres;

pub use archive::{ArchiveError, read_board, write_archive};
pub use files::{
    AGGREGATES_FILE, CHATS_FILE, FilesError, SEASON_FILE, SeasonFiles, TICKS_FILE, Told,
};
