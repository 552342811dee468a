//! The root of an actor tree: it starts children in the order of their list, stops them in reverse,
//! and falls when one of them ends too often, or when something ends for good that it cannot do
//! without. Then the fence closes, where it has one, and whoever runs it hears of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::runtime::directory::Directory;
use crate::runtime::fence::Fence;
use crate::runtime::supervision::{ChildSpec, Intensity, Remedy, Started, Supervisor};

/// Resolves, with the reason, when a tree cannot go on although every child lives.
pub(crate) type Fatal = Pin<Box<dyn Future<Output = String> + Send>>;

/// A running tree. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Its children, with their health.
    pub(crate) directory: Directory,
    fallen: watch::Receiver<Option<String>>,
    root: ActorRef<RootMsg>,
}

impl Tree {
    /// Starts the children one after the other. The tree falls when `fatal` resolves, if there is one.
    ///
    /// # Errors
    /// When one does not start; those that did are stopped.
    pub(crate) async fn start(
        children: Vec<ChildSpec>,
        runtime: Handle,
        fence: Arc<Fence>,
        fatal: Option<Fatal>,
    ) -> Result<Self, SpawnErr> {
        Self::grow(children, runtime, (Some(fence), Intensity::default()), fatal).await
    }

    /// A tree beside trading: whatever becomes of it, no fence closes.
    ///
    /// # Errors
    /// As [`Tree::start`].
    pub(crate) async fn beside(
        children: Vec<ChildSpec>,
        runtime: Handle,
        intensity: Intensity,
    ) -> Result<Self, SpawnErr> {
        Self::grow(children, runtime, (None, intensity), None).await
    }

    #[expect(clippy::disallowed_methods, reason = "the root of a tree has no supervisor")]
    async fn grow(
        children: Vec<ChildSpec>,
        runtime: Handle,
        (fence, intensity): (Option<Arc<Fence>>, Intensity),
        fatal: Option<Fatal>,
    ) -> Result<Self, SpawnErr> {
        let directory = Directory::default();
        let (fell, fallen) = watch::channel(None);
        let shown = directory.clone();
        let arguments = RootArgs { children, runtime, directory, fence, intensity, fell, fatal };
        let (root, _) = Actor::spawn(None, Root, arguments).await?;
        Ok(Self { directory: shown, fallen, root })
    }

    /// Why the tree has fallen, if it has.
    pub(crate) fn fallen(&self) -> Option<String> {
        self.fallen.borrow().clone()
    }

    /// Resolves when the tree has fallen, and says why; never while somebody may still stop it.
    pub(crate) async fn falls(&self) -> String {
        let mut fallen = self.fallen.clone();
        let why = fallen.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // It was stopped in order: nobody falls any more.
            None => std::future::pending().await,
        }
    }

    /// The root itself, for tests that look at who lives.
    #[cfg(feature = "testkit")]
    pub(crate) fn cell(&self) -> ractor::ActorCell {
        self.root.get_cell()
    }

    /// Stops every actor in reverse order.
    pub(crate) async fn stop(&self) {
        self.root.stop(None);
        // It has stopped already if this fails.
        let _ = self.root.wait(Some(Duration::from_secs(10))).await;
    }
}

/// The root actor.
#[derive(Debug)]
struct Root;

#[derive(Debug)]
enum RootMsg {
    Restart(usize),
    Started(Started),
    Fatal(String),
}

struct RootArgs {
    children: Vec<ChildSpec>,
    runtime: Handle,
    directory: Directory,
    fence: Option<Arc<Fence>>,
    intensity: Intensity,
    fell: watch::Sender<Option<String>>,
    fatal: Option<Fatal>,
}

struct RootState {
    children: Supervisor,
    fence: Option<Arc<Fence>>,
    fell: watch::Sender<Option<String>>,
    /// Waits for what is fatal; ends with the root.
    _waiting: JoinSet<()>,
}

impl Actor for Root {
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = RootArgs;

    async fn pre_start(
        &self,
        me: ActorRef<RootMsg>,
        args: RootArgs,
    ) -> Result<RootState, ActorProcessingErr> {
        let RootArgs { children, runtime, directory, fence, intensity, fell, fatal } = args;
        let cell = me.get_cell();
        let children = Supervisor::start(cell, runtime, intensity, directory, children).await?;
        let mut waiting = JoinSet::new();
        if let Some(fatal) = fatal {
            waiting.spawn(async move {
                let why = fatal.await;
                // A root that is gone has fallen, or was stopped.
                let _ = me.cast(RootMsg::Fatal(why));
            });
        }
        Ok(RootState { children, fence, fell, _waiting: waiting })
    }

    async fn handle(
        &self,
        me: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::Restart(index) => {
                let told = me.clone();
                state.children.restart(index, move |started| {
                    let _ = told.cast(RootMsg::Started(started));
                });
            }
            RootMsg::Started(started) => {
                let remedy = state.children.started(started);
                state.follow(&me, remedy);
            }
            RootMsg::Fatal(why) => state.fall(&me, why),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let remedy = state.children.on_event(event);
        state.follow(&me, remedy);
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<RootMsg>,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        state.children.stop(Duration::from_secs(5)).await;
        Ok(())
    }
}

impl RootState {
    fn follow(&self, me: &ActorRef<RootMsg>, remedy: Remedy) {
        match remedy {
            Remedy::Nothing => {}
            Remedy::RestartAfter(pause, index) => {
                me.send_after(pause, move || RootMsg::Restart(index));
            }
            Remedy::GaveUp(name, end) => {
                self.fall(me, format!("{name} ended too often: {}", end.text()));
            }
        }
    }

    fn fall(&self, me: &ActorRef<RootMsg>, why: String) {
        if let Some(fence) = &self.fence {
            fence.halt();
            tracing::error!(why, "the council falls");
        } else {
            tracing::error!(why, "the actors beside the council fall; trading goes on");
        }
        self.fell.send_replace(Some(why));
        me.stop(None);
    }
}
