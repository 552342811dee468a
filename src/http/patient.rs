//! A connection whose client has to take what it asked for: one that reads nothing, or next to nothing, is
//! closed, so that it holds neither a log that is being taken away nor a stream for ever.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long bytes may wait for a client to take any.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a client takes within that time at least, bytes, while more of them wait.
const TAKEN_MIN: usize = 64 << 10;

/// What a connection that was closed by this says of itself.
const UNREAD: &str = "the client did not take its answer";

/// A connection that gives up a client which does not read.
pub(super) struct Patient<T> {
    stream: T,
    /// Runs from the moment at which the system did not take all at once, until it does again.
    waiting: Option<Waiting>,
}

struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl<T> Patient<T> {
    pub(super) const fn new(stream: T) -> Self {
        Self { stream, waiting: None }
    }

    /// What came of handing over `offered` bytes, or the end of the patience.
    fn weigh(
        &mut self,
        written: Poll<Result<usize>>,
        offered: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize>> {
        let taken = match &written {
            Poll::Ready(Ok(taken)) if *taken < offered => *taken,
            Poll::Pending => 0,
            Poll::Ready(_) => {
                self.waiting = None;
                return written;
            }
        };
        let fresh = || Waiting { until: Box::pin(sleep(PATIENCE)), taken: 0 };
        let waiting = self.waiting.get_or_insert_with(fresh);
        waiting.taken = waiting.taken.saturating_add(taken);
        while waiting.until.as_mut().poll(context).is_ready() {
            if waiting.taken < TAKEN_MIN {
                return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, UNREAD)));
            }
            waiting.taken = 0;
            waiting.until.as_mut().reset(Instant::now() + PATIENCE);
        }
        written
    }
}

/// Whether a connection ended because its client did not read.
pub(super) fn was_unread(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    cause.is_some_and(|cause| cause.kind() == ErrorKind::TimedOut)
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.weigh(written, bytes.len(), context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        let offered = pieces.iter().map(|piece| piece.len()).sum();
        self.weigh(written, offered, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What becomes of a megabyte in front of a client that takes so many bytes every twenty seconds.
    async fn handed_to(step: usize) -> Result<()> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 10);
        let reads = async move {
            let mut bytes = vec![0; step];
            loop {
                sleep(Duration::from_secs(20)).await;
                if step > 0 && theirs.read_exact(&mut bytes).await.is_err() {
                    break std::future::pending().await;
                }
            }
        };
        let (mut ours, bytes) = (Patient::new(ours), vec![0; 1 << 20]);
        tokio::select! {
            written = ours.write_all(&bytes) => written,
            never = reads => never,
            () = sleep(Duration::from_mins(10)) => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_or_next_to_nothing_is_given_up() {
        for step in [0, 1, 100, 10_000] {
            let begun = Instant::now();
            let error = handed_to(step).await.expect_err("it does not read");
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{step}");
            assert_eq!(begun.elapsed(), PATIENCE, "{step}");
        }
        assert!(handed_to(2 * TAKEN_MIN).await.is_ok(), "slow, and it reads");
    }
}
