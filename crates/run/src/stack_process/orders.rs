//! The stack process's end of the channel: orders come, news go.

use std::io::{self, Write};
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::channel::{News, Order, line};

/// Orders from the supervisor.
pub(super) struct Orders {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    /// That the supervisor is gone is no news: then there are no orders.
    pub(super) are_optional: bool,
    /// The supervisor has closed its end, which it does before it is seen to be dead.
    pub(super) is_gone: bool,
}

impl Orders {
    /// The next order; `None` when the supervisor is gone. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Order> {
        match self.lines.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line).ok(),
            _ if self.are_optional => std::future::pending().await,
            _ => {
                self.is_gone = true;
                None
            }
        }
    }
}

/// News for the supervisor.
pub(super) struct Teller {
    to: OwnedWriteHalf,
    /// What cannot be told is written to standard error, where a host that stays has its log.
    pub(super) is_optional: bool,
}

impl Teller {
    pub(super) async fn tell(&mut self, news: &News) -> io::Result<()> {
        let told = self.to.write_all(&line(news)?).await;
        if !self.is_optional || told.is_ok() {
            return told;
        }
        if let News::Note(line) = news {
            // A log on a full disk is no reason to end.
            let _ = writeln!(io::stderr(), "portolan: {}", crate::summary::escape(line));
        }
        Ok(())
    }
}

/// Both ends of standard input, which is the channel.
pub(super) fn channel() -> io::Result<(Orders, Teller)> {
    let stream = StdUnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    stream.set_nonblocking(true)?;
    let (read, write) = UnixStream::from_std(stream)?.into_split();
    let orders = Orders { lines: BufReader::new(read).lines(), are_optional: false, is_gone: false };
    Ok((orders, Teller { to: write, is_optional: false }))
}
