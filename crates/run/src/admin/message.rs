//! What is said over the admin socket, and what is told of a host's sockets.
//!
//! A message that grows keeps its version as long as an older program can read it: fields may be added, with a
//! default, and kinds of requests, which an older host refuses by name. Everything else needs a new [`VERSION`].

use std::net::SocketAddr;

use portolan_filter::Filter;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The protocol's version.
pub const VERSION: u32 = 1;

/// The first line of each side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The version that this side speaks.
    pub portolan: u32,
}

/// From a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Who the host is. Answer: [`Reply::Info`].
    Info,
    /// What is open in the host. Answer: [`Reply::Sockets`].
    Sockets,
    /// The frames of the command's link that a filter lets pass. Answer: [`Reply::Done`], then a pcapng stream until
    /// the client shuts its side down; the last block says how many frames are missing.
    Capture(Filter),
    /// What the wire is to do from now on, in the words of `--net`; what is `None` stays. Answer: [`Reply::Shape`].
    Shape {
        /// To what the host sends.
        up: Option<String>,
        /// To what it receives.
        down: Option<String>,
    },
    /// A command is to run in the host. Answer: [`Reply::Joined`]; the connection then lasts as long as both do, and
    /// carries nothing more.
    Join,
    /// Reset every connection and end. Answer: [`Reply::Done`], and the connection's end when it has happened.
    Down,
}

/// From the host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Who the host is.
    Info(Info),
    /// Everything that is open.
    Sockets(Vec<SocketRow>),
    /// What the wire does.
    Shape(Shape),
    /// What the command must inherit: the name and the value of a variable.
    Joined((String, String)),
    /// It was done.
    Done,
    /// It was not: one line.
    Failed(String),
}

/// What a host's supervisor says of it when it starts it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// The host's name.
    pub name: String,
    /// The supervisor's process.
    pub pid: u32,
    /// The command and its arguments; none for a host without a command of its own.
    pub command: Vec<String>,
}

/// What a host's wire does, in the words of `--net`; `none` for nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// To what the host sends.
    pub up: String,
    /// To what it receives.
    pub down: String,
}

impl Identity {
    /// Whether the host outlives those who use it, as `portolan up` makes it.
    pub fn stays(&self) -> bool {
        self.command.is_empty()
    }
}

/// Who a host is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Name, process and command.
    #[serde(flatten)]
    pub identity: Identity,
    /// Where its packets go, as `--link` has it.
    pub link: String,
    /// Its addresses with their prefixes.
    pub addresses: Vec<String>,
    /// Seconds since it was started.
    pub uptime_s: u64,
    /// What it was started with; hosts of earlier programs do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Config>>,
}

/// A socket's state, with Linux's names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketState {
    /// Open both ways; UDP with a peer.
    Established,
    /// A SYN is sent.
    SynSent,
    /// A SYN has come, and was answered.
    SynRecv,
    /// A FIN is sent.
    #[serde(rename = "fin-wait-1")]
    FinWait1,
    /// And acknowledged.
    #[serde(rename = "fin-wait-2")]
    FinWait2,
    /// Closed both ways, for a while.
    TimeWait,
    /// UDP without a peer.
    #[serde(rename = "unconnected")]
    Closed,
    /// A FIN has come.
    CloseWait,
    /// And ours is sent.
    LastAck,
    /// Waits for connections.
    Listening,
    /// Both FINs are sent, ours is not acknowledged.
    Closing,
}

/// One open socket.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SocketRow {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Its state.
    pub state: SocketState,
    /// Octets to be read; of a listener, connections to be accepted.
    pub recv_q: u32,
    /// Octets that the peer has not acknowledged; of a listener, the backlog.
    pub send_q: u32,
    /// This host's end; an IPv4 address of an IPv6 socket is mapped.
    pub local: SocketAddr,
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// Whether an IPv6 socket speaks no IPv4.
    pub v6_only: bool,
    /// The processes that hold it.
    pub users: Vec<User>,
    /// The user who made it.
    pub uid: Option<u32>,
    /// The inode of the program's socket, as in `/proc/PID/fd`.
    pub inode: Option<u64>,
    /// The stack's number for it.
    pub id: Option<u64>,
    /// How the program's end can be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<Trail>,
    /// A connection's figures.
    pub tcp: Option<TcpFigures>,
    /// A connection's timer.
    #[serde(default)]
    pub timer: Option<Timer>,
    /// What its queues may hold.
    #[serde(default)]
    pub buffers: Option<Buffers>,
}

/// A timer that runs, with ss's words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timer {
    /// `on` (what is outstanding is sent again or probed for), `keepalive`, `timewait` or `persist`.
    pub name: String,
    /// Milliseconds until it ends.
    pub left_ms: u64,
    /// How often in a row it has ended without an answer.
    pub retrans: u8,
}

/// The limits of a socket's queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Buffers {
    /// Octets that may wait to be read.
    pub receive: u32,
    /// Octets that may wait to be acknowledged.
    pub send: u32,
}

/// A process that holds a socket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct User {
    /// The process's name (`/proc/PID/comm`).
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// The descriptor; not known when the process has not been looked at.
    pub fd: Option<u32>,
}

/// What leads from the stack's socket to the program's, which is an AF_UNIX socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trail {
    /// The program's is the peer of the stack process's socket with this inode.
    PeerOf(u64),
    /// The program's is bound to the abstract name with these octets.
    Named(Vec<u8>),
}

/// A connection's figures: `TCP_INFO` with the words that `ss -i` has for them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TcpFigures {
    /// Timestamps are in use.
    pub ts: bool,
    /// Selective acknowledgements are in use.
    pub sack: bool,
    /// Both sides agreed on ECN.
    pub ecn: bool,
    /// And the peer has sent a segment that could be marked.
    pub ecnseen: bool,
    /// A SYN brought or took text.
    pub fastopen: bool,
    /// The congestion controller.
    pub congestion: String,
    /// The shifts of windows: the peer's, ours.
    pub wscale: (u8, u8),
    /// The retransmission timeout, in microseconds.
    pub rto_us: u64,
    /// Timeouts in a row.
    pub backoff: u8,
    /// Smoothed round-trip time in microseconds; 0 before the first measurement.
    pub rtt_us: u32,
    /// Its mean deviation.
    pub rttvar_us: u32,
    /// How long an ACK may wait, in microseconds.
    pub ato_us: u32,
    /// Octets of text in a full segment.
    pub mss: u32,
    /// Octets of the largest packet of the path.
    pub pmtu: u32,
    /// The largest segment that the peer has sent.
    pub rcvmss: u32,
    /// The largest segment that the peer was told of.
    pub advmss: u32,
    /// The congestion window, in segments.
    pub cwnd: u32,
    /// The slow-start threshold, in segments; none before the first loss.
    pub ssthresh: Option<u32>,
    /// Octets of text sent.
    pub bytes_sent: u64,
    /// Of these, sent again.
    pub bytes_retrans: u64,
    /// Octets that the peer acknowledged.
    pub bytes_acked: u64,
    /// Octets received in order.
    pub bytes_received: u64,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments received.
    pub segs_in: u32,
    /// Segments sent with text.
    pub data_segs_out: u32,
    /// Segments received with text.
    pub data_segs_in: u32,
    /// Milliseconds since text was last sent.
    pub lastsnd_ms: u32,
    /// Milliseconds since text last came.
    pub lastrcv_ms: u32,
    /// Milliseconds since an acknowledgement last came.
    pub lastack_ms: u32,
    /// Octets per second at which text leaves; none before the first round trip.
    pub pacing_rate: Option<u64>,
    /// The application's limit to that, in octets per second.
    pub max_pacing_rate: Option<u64>,
    /// The delivery rate in octets per second, as last measured.
    pub delivery_rate: u64,
    /// Whether the application limited that measurement.
    pub delivery_rate_app_limited: bool,
    /// Segments delivered.
    pub delivered: u32,
    /// Of these, those that the peer says were marked (ECN).
    pub delivered_ce: u32,
    /// The application has nothing more to send.
    pub app_limited: bool,
    /// Microseconds with something to send or unacknowledged.
    pub busy_us: u64,
    /// Of these, limited by the peer's window.
    pub rwnd_limited_us: u64,
    /// Of these, limited by the send buffer.
    pub sndbuf_limited_us: u64,
    /// Segments not acknowledged.
    pub unacked: u32,
    /// Segments sent again that are in the network.
    pub retrans: u32,
    /// Segments sent again so far.
    pub retrans_total: u32,
    /// Segments held for lost.
    pub lost: u32,
    /// Segments acknowledged selectively.
    pub sacked: u32,
    /// Segments that the peer reported as duplicates.
    pub dsack_dups: u32,
    /// Segments by which the network is assumed to reorder.
    pub reordering: u32,
    /// How often it was seen to.
    pub reord_seen: u32,
    /// The round trip as the receiver sees it, in microseconds.
    pub rcv_rtt_us: u32,
    /// Octets of the receive buffer.
    pub rcv_space: u32,
    /// Of these, what a window may use.
    pub rcv_ssthresh: u32,
    /// Octets written and not yet sent.
    pub notsent: u32,
    /// The least round trip, in microseconds.
    pub minrtt_us: u32,
    /// Segments received out of order.
    pub rcv_ooopack: u32,
    /// The peer's window, in octets.
    pub snd_wnd: u32,
    /// Our window, in octets.
    pub rcv_wnd: u32,
}
