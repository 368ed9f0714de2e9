//! Frames for a client: a pcapng stream that begins when it asks and ends when it has had enough.
//!
//! The link shows its frames to a watcher, which must not wait: what the client does not read in time is counted and
//! left out. The last block says how many that were. Where the command's TLS keys are known they come too, in front of the
//! frames that they open: then frames wait for [`KEY_WAIT`], as those of a recording do.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use portolan::Host;
use portolan_drivers::{Capture, InterfaceId, Monitor};
use portolan_filter::{Filter, Frame, LinkType};
use portolan_link::{Instant, Medium};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::key_log::KeyLog;

/// Octets that wait for a client.
const WAITING_MAX: usize = 8 << 20;

/// How long frames wait for the keys that may open them, at least.
const KEY_WAIT: Duration = Duration::from_millis(200);

/// A client's view of a link.
pub(super) struct Watch {
    blocks: UnboundedReceiver<Vec<u8>>,
    capture: Capture,
    interface: InterfaceId,
    counts: Arc<Counts>,
    /// Frames wait for keys.
    has_keys: bool,
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    received: AtomicU64,
    dropped: AtomicU64,
    is_over: AtomicBool,
}

/// Blocks on their way to the client's task.
struct Queue {
    sender: UnboundedSender<Vec<u8>>,
    counts: Arc<Counts>,
}

impl Watch {
    /// Watches a host's link, called `name`, through a filter; `keys` is the command's SSLKEYLOGFILE, if it is known.
    pub(super) fn start(
        host: &Host,
        monitor: &Monitor,
        name: &str,
        filter: Filter,
        keys: Option<&Path>,
    ) -> Watch {
        let (sender, blocks) = unbounded_channel();
        let counts = Arc::new(Counts::default());
        let age = Duration::from_nanos(host.now().as_nanos());
        let epoch = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        let capture = Capture::to_writer(Queue { sender, counts: Arc::clone(&counts) }, epoch);
        let medium = monitor.medium().unwrap_or(Medium::Ethernet);
        let interface = capture.add_interface(name, medium);
        capture.flush();
        let has_keys = keys.is_some();
        if let Some(keys) = keys {
            let mut log = KeyLog::new(keys.to_owned());
            capture.take_secrets_from(move || log.take());
        }
        let link = match medium {
            Medium::Ethernet => LinkType::Ethernet,
            Medium::Ip => LinkType::Raw,
        };
        let (recorder, seen_by) = (capture.clone(), Arc::clone(&counts));
        monitor.watch(move |seen| {
            if filter.matches(Frame { link, octets: seen.frame, len: seen.frame.len() }) {
                seen_by.received.fetch_add(1, Ordering::Relaxed);
                recorder.record(seen.now, interface, seen.direction, seen.frame, seen.comment);
                if !has_keys {
                    recorder.flush();
                }
            }
            !seen_by.is_over.load(Ordering::Relaxed)
        });
        Watch { blocks, capture, interface, counts, has_keys }
    }

    /// The next blocks. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<u8> {
        let mut blocks = loop {
            tokio::select! {
                blocks = self.blocks.recv() => match blocks {
                    Some(blocks) => break blocks,
                    None => return std::future::pending().await,
                },
                () = tokio::time::sleep(KEY_WAIT), if self.has_keys => drop(self.capture.flush()),
            }
        };
        while let Ok(more) = self.blocks.try_recv() {
            blocks.extend(more);
        }
        self.counts.waiting.fetch_sub(blocks.len(), Ordering::Relaxed);
        blocks
    }

    /// Ends it: what is left, and the block that says how much is missing.
    pub(super) fn finish(mut self, now: Instant) -> Vec<u8> {
        self.counts.is_over.store(true, Ordering::Relaxed);
        // The queue may be full; these last words are not left out.
        self.counts.waiting.store(0, Ordering::Relaxed);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (received, dropped) = (count(&self.counts.received), count(&self.counts.dropped));
        self.capture.record_statistics(now, self.interface, received, dropped);
        // What waits for keys has waited for long enough.
        while self.capture.flush() {}
        let mut blocks = Vec::new();
        while let Ok(more) = self.blocks.try_recv() {
            blocks.extend(more);
        }
        blocks
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.counts.is_over.store(true, Ordering::Relaxed);
    }
}

impl Write for Queue {
    /// Takes all of it, or none: blocks are written whole, one frame at a time but for those that wait for keys.
    fn write(&mut self, blocks: &[u8]) -> io::Result<usize> {
        if self.counts.waiting.load(Ordering::Relaxed) + blocks.len() > WAITING_MAX {
            self.counts.dropped.fetch_add(frames(blocks), Ordering::Relaxed);
        } else {
            self.counts.waiting.fetch_add(blocks.len(), Ordering::Relaxed);
            // A client that is gone needs no blocks.
            let _ = self.sender.send(blocks.to_vec());
        }
        Ok(blocks.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many frames there are in whole blocks of our own writing.
fn frames(mut blocks: &[u8]) -> u64 {
    const ENHANCED_PACKET: u32 = 6;
    let number = |octets: &[u8]| octets.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
    let mut count = 0;
    while let Some(rest) = blocks.get(4..) {
        count += u64::from(number(blocks) == ENHANCED_PACKET);
        let len = usize::try_from(number(rest)).unwrap_or(usize::MAX).max(4);
        blocks = blocks.get(len..).unwrap_or_default();
    }
    count
}
