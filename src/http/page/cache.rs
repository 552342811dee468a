//! Panels as they were last drawn: ten pages under a thousand events a second cost what one does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::Shared;
use super::panels::Panel;

/// How long a drawn panel is shown before it is drawn again: four times a second.
const FRESH: Duration = Duration::from_millis(240);

/// The last drawing of each panel. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Panels(Arc<BTreeMap<Panel, Mutex<Option<Drawn>>>>);

struct Drawn {
    at: Instant,
    text: Arc<str>,
}

impl fmt::Debug for Panels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panels").finish_non_exhaustive()
    }
}

impl Panels {
    /// No panel is drawn yet.
    pub fn new() -> Self {
        Self(Arc::new(Panel::ALL.into_iter().map(|panel| (panel, Mutex::new(None))).collect()))
    }

    /// A panel, drawn anew where the last drawing is old. Whoever comes while it is drawn waits for that
    /// drawing.
    pub(super) async fn drawn(&self, panel: Panel, shared: &Shared) -> Arc<str> {
        let Some(place) = self.0.get(&panel) else { return panel.draw(shared).await.into() };
        let mut last = place.lock().await;
        match &*last {
            Some(drawn) if drawn.at.elapsed() < FRESH => Arc::clone(&drawn.text),
            _ => {
                let text: Arc<str> = panel.draw(shared).await.into();
                *last = Some(Drawn { at: Instant::now(), text: Arc::clone(&text) });
                text
            }
        }
    }
}
