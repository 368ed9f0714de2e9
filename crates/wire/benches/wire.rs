//! Parsing and writing headers, and the checksum, by size.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use portolan_wire::ethernet::{self, EtherType};
use portolan_wire::tcp::{Flags, Options, Timestamps};
use portolan_wire::{Address, Checksum, EthernetAddress, SeqNumber, ipv4, ipv6, protocol, tcp};

const TEXT: usize = 1448;

fn main() {
    divan::main();
}

fn ends(v6: bool) -> (Address, Address) {
    let address = |text: &str| text.parse().expect("an address");
    if v6 { (address("fd00::1"), address("fd00::2")) } else { (address("10.0.0.1"), address("10.0.0.2")) }
}

/// Writes the headers of a full segment with timestamps, checksums left for a device, and returns their
/// length.
fn emit(v6: bool, (src, dst): (Address, Address), out: &mut [u8]) -> usize {
    let station = EthernetAddress([2, 0, 0, 0, 0, 1]);
    let ethertype = if v6 { EtherType::IPV6 } else { EtherType::IPV4 };
    let (link, rest) = out.split_at_mut(ethernet::Header::LEN);
    link.copy_from_slice(ethernet::Header::new(station, station, ethertype).as_bytes());
    let segment = tcp::Emit {
        src_port: 80,
        dst_port: 5000,
        seq: SeqNumber(1),
        ack: SeqNumber(2),
        flags: Flags::ACK,
        window: 512,
        urgent: 0,
        options: Options { timestamps: Some(Timestamps { value: 1, echo: 2 }), ..Options::NONE },
    };
    let payload_len = u16::try_from(segment.len() + TEXT).expect("a segment");
    let ip = if v6 {
        let (next_header, hop_limit) = (protocol::TCP, 64);
        ipv6::Emit { src, dst, next_header, hop_limit, payload_len, ..Default::default() }.emit(rest)
    } else {
        let (protocol, ttl) = (protocol::TCP, 64);
        ipv4::Emit { src, dst, protocol, ttl, payload_len, ..Default::default() }.emit(rest)
    }
    .expect("an IP header");
    let segment_at = &mut rest[ip..];
    let tcp = segment.emit(segment_at).expect("a TCP header");
    tcp::fill_partial_checksum(src, dst, &mut segment_at[..tcp + TEXT]).expect("a field");
    ethernet::Header::LEN + ip + tcp
}

fn frame(v6: bool) -> Vec<u8> {
    let mut out = vec![0; 2048];
    let len = emit(v6, ends(v6), &mut out);
    out.truncate(len + TEXT);
    out
}

/// Takes a frame apart as far as the text, transport checksum aside.
fn parse(frame: &[u8]) -> (SeqNumber, Option<Timestamps>, usize) {
    let (header, packet) = ethernet::Header::parse(frame).expect("a frame");
    let segment = if header.ethertype() == EtherType::IPV6 {
        ipv6::parse(packet).expect("a packet").extensions().expect("an upper layer").payload
    } else {
        ipv4::parse(packet).expect("a packet").payload
    };
    let (header, options, text) = tcp::parse(segment).expect("a segment");
    (header.seq(), options.timestamps, text.len())
}

#[divan::bench(args = [false, true])]
fn parse_tcp_frame_v6(bencher: Bencher<'_, '_>, v6: bool) {
    let frame = frame(v6);
    bencher.bench(|| parse(black_box(&frame)));
}

#[divan::bench(args = [false, true])]
fn emit_tcp_frame_v6(bencher: Bencher<'_, '_>, v6: bool) {
    let mut out = vec![0; 2048];
    let ends = ends(v6);
    bencher.bench_local(|| emit(v6, black_box(ends), black_box(&mut out)));
}

#[divan::bench(args = [20, 64, 1460, 65536])]
fn checksum(bencher: Bencher<'_, '_>, len: usize) {
    let bytes = vec![0xa5; len];
    bencher.counter(BytesCount::new(len)).bench(|| Checksum::new().add(black_box(&bytes)).finish());
}

#[divan::bench(args = [1459, 65535])]
fn checksum_odd_and_unaligned(bencher: Bencher<'_, '_>, len: usize) {
    let bytes = vec![0xa5; len + 3];
    bencher.counter(BytesCount::new(len)).bench(|| Checksum::new().add(black_box(&bytes[3..])).finish());
}

#[divan::bench]
fn display_tcp_frame(bencher: Bencher<'_, '_>) {
    let frame = frame(false);
    bencher.bench(|| portolan_wire::display::frame(black_box(&frame)).to_string());
}
