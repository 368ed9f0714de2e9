//! A host, and a peer of its connections that is nothing but segments made by hand, so that the time measured is the
//! host's alone.

use std::time::{Duration, Instant as Clock};

use portolan_link::{Checksum, Instant, LinkCaps, Medium, PacketBuf, RxBatch, TxBatch};
use portolan_stack::{Config, LinkConfig, LinkId, Seeds, SocketError, SocketId, Stack};
use portolan_wire::tcp::{self, Flags, Options};
use portolan_wire::{Address, Cidr, Endpoint, EthernetAddress, Family, SeqNumber, ipv4, protocol};

/// The host's address and its port.
pub(crate) const HOST: Address = Address::v4(10, 0, 0, 1);
pub(crate) const PORT: u16 = 80;
/// Octets of text in a full segment.
pub(crate) const TEXT: usize = 1448;
/// Frames in a batch.
pub(crate) const BATCH: usize = 64;

/// A host under measurement, on a link of bare IP packets whose checksums somebody else has verified.
pub(crate) struct Bench {
    pub(crate) host: Stack,
    pub(crate) now: Instant,
    pub(crate) listener: SocketId,
    link: LinkId,
    frames: RxBatch,
    out: TxBatch,
    packet: Vec<u8>,
    /// Time spent in the host's calls.
    pub(crate) spent: Duration,
}

/// One connection, seen by the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: Address,
    pub(crate) port: u16,
    /// The next number of the peer's.
    pub(crate) seq: SeqNumber,
    /// The next number of the host's.
    pub(crate) ack: SeqNumber,
}

/// What the host sent: flags, number and octets of text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) flags: Flags,
    pub(crate) seq: SeqNumber,
    pub(crate) text: usize,
}

impl Bench {
    /// A host with a listener.
    pub(crate) fn new(config: Config) -> Result<Bench, String> {
        let now = Instant::from_millis(1000);
        let mut host = Stack::new(config, Seeds::fixed(1));
        let caps = LinkCaps { medium: Medium::Ip, mtu: 1500, gso_max: 0, checksum: true };
        let settings = LinkConfig { name: "bench".into(), ethernet: EthernetAddress([2; 6]) };
        let link = host.add_link(now, caps, settings);
        let cidr = Cidr::new(HOST, 8).ok_or("a prefix of 8")?;
        host.add_address(now, link, cidr).map_err(|error| error.to_string())?;
        let said = |error: SocketError| error.to_string();
        let listener = host.tcp_socket(Family::V4).map_err(said)?;
        host.bind(now, listener, Endpoint::new(HOST, PORT)).map_err(said)?;
        host.listen(now, listener, 4096).map_err(said)?;
        Ok(Bench {
            host,
            now,
            listener,
            link,
            frames: RxBatch::new(BATCH),
            out: TxBatch::new(BATCH),
            packet: vec![0; 2048],
            spent: Duration::ZERO,
        })
    }

    /// Runs `call` on the host and counts its time.
    pub(crate) fn timed<R>(&mut self, call: impl FnOnce(&mut Stack, Instant) -> R) -> R {
        let start = Clock::now();
        let result = call(&mut self.host, self.now);
        self.spent += start.elapsed();
        result
    }

    /// Puts a segment of the peer's into the next batch; a full batch is handed in.
    pub(crate) fn send(&mut self, peer: &Peer, flags: Flags, options: Options, text: &[u8]) {
        let header = tcp::Emit {
            src_port: peer.port,
            dst_port: PORT,
            seq: peer.seq,
            ack: if flags.contains(Flags::ACK) { peer.ack } else { SeqNumber(0) },
            flags,
            window: u16::MAX,
            options,
            ..tcp::Emit::default()
        };
        let payload_len = u16::try_from(header.len() + text.len()).unwrap_or(u16::MAX);
        let ip = ipv4::Emit {
            src: peer.address,
            dst: HOST,
            protocol: protocol::TCP,
            ttl: 64,
            dont_fragment: true,
            payload_len,
            ..ipv4::Emit::default()
        };
        let len = ip.emit(&mut self.packet).unwrap_or(0);
        let len = len + header.emit(&mut self.packet[len..]).unwrap_or(0);
        self.packet[len..len + text.len()].copy_from_slice(text);
        let mut packet = PacketBuf::copy(self.host.pool(), &self.packet[..len + text.len()]);
        packet.offload.checksum = Checksum::Valid;
        let _ = self.frames.push(packet);
        if self.frames.is_full() {
            self.hand_in();
        }
    }

    /// Hands the batch in.
    pub(crate) fn hand_in(&mut self) {
        let start = Clock::now();
        self.host.receive(self.now, self.link, &mut self.frames);
        self.spent += start.elapsed();
    }

    /// Takes what the host has to send; the peer looks at the headers.
    pub(crate) fn take(&mut self, mut look: impl FnMut(Seen)) {
        loop {
            let start = Clock::now();
            self.host.poll_transmit(self.now, self.link, &mut self.out);
            self.spent += start.elapsed();
            if self.out.is_empty() {
                return;
            }
            for entry in self.out.iter() {
                if let Some(seen) = seen(entry.head(), entry.len()) {
                    look(seen);
                }
            }
            self.out.clear();
        }
    }

    /// Connection number `number`, opened by the peer and accepted.
    pub(crate) fn connect(&mut self, number: u32) -> Result<(Peer, SocketId), String> {
        let [_, b, c, d] = (number / 50_000 + 2).to_be_bytes();
        let port = u16::try_from(number % 50_000 + 1024).map_err(|_| "a port")?;
        let mut peer =
            Peer { address: Address::v4(10, b, c, d), port, seq: SeqNumber(number), ack: SeqNumber(0) };
        let options = Options {
            mss: portolan_wire::Mss::new(1460),
            window_scale: Some(10),
            sack_permitted: true,
            ..Options::NONE
        };
        self.send(&peer, Flags::SYN, options, &[]);
        self.hand_in();
        self.take(|seen| peer.ack = seen.seq + 1);
        peer.seq += 1;
        self.send(&peer, Flags::ACK, Options::NONE, &[]);
        self.hand_in();
        self.take(|_| {});
        let listener = self.listener;
        let (socket, ..) =
            self.timed(|host, now| host.accept(now, listener)).map_err(|error| error.to_string())?;
        self.drain_events();
        Ok((peer, socket))
    }

    /// Takes every event.
    pub(crate) fn drain_events(&mut self) {
        while self.host.poll_event().is_some() {}
    }
}

/// The fields of a packet of the host's that peers look at.
fn seen(head: &[u8], len: usize) -> Option<Seen> {
    let (ip, rest) = ipv4::Header::parse(head).ok()?;
    let (header, _) = tcp::Header::parse(rest).ok()?;
    let text = len.checked_sub(ip.header_len() + header.data_offset())?;
    Some(Seen { flags: header.flags(), seq: header.seq(), text })
}
