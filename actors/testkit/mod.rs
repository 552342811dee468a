//! A whole council on fakes and paused time.
