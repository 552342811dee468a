//! The progress bar of everything that takes longer than a second: bars a second and what is left.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr; without a terminal it draws nothing.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar of `total` market bars.
    pub fn bars(total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        let style =
            ProgressStyle::with_template("{bar:32} {pos}/{len} bars, {per_sec}, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// A sign that something is done whose length nobody knows; gone with what is returned.
    pub fn waiting(what: impl Into<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.into());
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// A bar that nobody sees.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// A bar of `total` things of this name.
    pub fn things(total: u64, name: &str) -> Self {
        let bar = Self::bars(total);
        let form = format!("{{bar:32}} {{pos}}/{{len}} {name}, {{per_sec}}, {{eta}} left  {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&form) {
            bar.0.set_style(style);
        }
        bar
    }

    /// A bar of `total` steps of a training run.
    pub fn steps(total: u64) -> Self {
        let bar = Self::bars(total);
        let form = "{bar:24} {human_pos}/{human_len} steps, {per_sec}, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.0.set_style(style);
        }
        bar
    }

    /// So much is done by now.
    pub fn reach(&self, position: u64) {
        self.0.set_position(position);
    }

    /// There is so much more to do.
    pub fn extend_by(&self, more: u64) {
        self.0.inc_length(more);
    }

    /// Adds bars that were played.
    pub fn advance(&self, bars: u64) {
        self.0.inc(bars);
    }

    /// Says what is going on.
    pub fn say(&self, text: impl Into<String>) {
        self.0.set_message(text.into());
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
