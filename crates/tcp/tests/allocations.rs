//! Two connections move text for long; once warm, neither packets nor calls allocate.

use std::alloc::System;

use portolan_link::{Chunks, Instant, Pool};
use portolan_tcp::{
    Config, Context, Embryo, EmbryoVerdict, NoTrace, PassiveOpen, Segment, SegmentPlan, Slabs, SocketOptions,
    Tcb, TcpStats,
};
use portolan_wire::SeqNumber;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Host {
    now: Instant,
    pool: Pool,
    config: Config,
    slabs: Slabs,
    gso_max: u32,
    tracer: NoTrace,
    stats: TcpStats,
}

impl Host {
    fn new(gso_max: u32) -> Host {
        Host {
            now: Instant::from_millis(1),
            pool: Pool::new(),
            config: Config::default(),
            slabs: Slabs::new(),
            gso_max,
            tracer: NoTrace,
            stats: TcpStats::default(),
        }
    }

    fn cx(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            pool: &mut self.pool,
            config: &self.config,
            slabs: &mut self.slabs,
            mss: 1460,
            advertised_mss: 1460,
            gso_max: self.gso_max,
            random: 0,
            tracer: &mut self.tracer,
            stats: &mut self.stats,
        }
    }
}

fn arriving(plan: &SegmentPlan) -> Segment {
    Segment {
        seq: plan.seq,
        ack: plan.ack,
        flags: plan.flags,
        window: plan.window,
        urgent: plan.urgent,
        options: plan.options,
        text_len: plan.text_len,
        ecn: plan.ecn,
    }
}

/// Two hosts, each with one end of an open connection.
struct Pair {
    hosts: [Host; 2],
    tcbs: [Tcb; 2],
    texts: [Chunks; 2],
    scratch: Vec<u8>,
}

impl Pair {
    fn new(gso_max: u32) -> Pair {
        let mut hosts = [Host::new(gso_max), Host::new(gso_max)];
        let options = SocketOptions::default();
        let mut none = Chunks::new();
        let [a, b] = &mut hosts;
        let mut client = Tcb::connect(&mut a.cx(), &options, SeqNumber(1), 0, 0);
        let syn = arriving(&client.poll_segment(&mut a.cx(), 0, &mut none).unwrap());
        let open =
            PassiveOpen { now: b.now, config: &b.config, options: &options, mss: 1460, timestamp_offset: 0 };
        let mut embryo = Embryo::on_syn(&open, &syn, SeqNumber(2));
        let syn_ack = arriving(&embryo.syn_ack(b.now));
        client.on_segment(&mut a.cx(), &syn_ack, &mut none);
        let ack = arriving(&client.poll_segment(&mut a.cx(), 0, &mut none).unwrap());
        assert!(matches!(embryo.on_segment(&b.config, b.now, &ack, 0), EmbryoVerdict::Establish));
        let mut server = Tcb::from_embryo(&mut b.cx(), &embryo, &options, 0);
        server.on_segment(&mut b.cx(), &ack, &mut none);
        Pair {
            hosts,
            tcbs: [client, server],
            texts: [Chunks::new(), Chunks::new()],
            scratch: vec![7; 64 * 1024],
        }
    }

    /// The client writes, all is sent both ways, the server reads; a tenth of a millisecond passes.
    fn turn(&mut self, octets: usize) -> usize {
        let [a, b] = &mut self.hosts;
        let [client, server] = &mut self.tcbs;
        let _ = client.write(&mut a.cx(), &self.scratch[..octets]);
        let mut arrived = 0;
        while let Some(plan) = client.poll_segment(&mut a.cx(), u32::MAX, &mut self.texts[0]) {
            // The other host has memory of its own, as behind a wire.
            while let Some(chunk) = self.texts[0].pop_front() {
                self.texts[1].push(b.pool.copy(chunk.as_slice()));
            }
            server.on_segment(&mut b.cx(), &arriving(&plan), &mut self.texts[1]);
        }
        while let Ok(read @ 1..) = server.read(&mut b.cx(), &mut self.scratch) {
            arrived += read;
        }
        while let Some(plan) = server.poll_segment(&mut b.cx(), u32::MAX, &mut self.texts[1]) {
            client.on_segment(&mut a.cx(), &arriving(&plan), &mut self.texts[0]);
        }
        for (host, tcb) in self.hosts.iter_mut().zip(&mut self.tcbs) {
            host.now = host.now.plus_micros(100);
            tcb.on_deadline(&mut host.cx());
            tcb.check(&host.slabs).unwrap();
        }
        arrived
    }
}

fn assert_no_allocations(gso_max: u32, octets: usize) {
    let mut pair = Pair::new(gso_max);
    for _ in 0..3_000 {
        pair.turn(octets);
    }
    let region = Region::new(ALLOCATOR);
    let arrived: usize = (0..3_000).map(|_| pair.turn(octets)).sum();
    let change = region.change();
    assert!(arrived > 2_500 * octets, "{arrived} octets in 3,000 turns of {octets}");
    assert_eq!(change.allocations + change.reallocations, 0, "{arrived} octets in turns of {octets}");
}

/// One test, since the allocator counts for the whole process.
#[test]
fn steady_state_allocates_nothing() {
    assert_no_allocations(0, 20_000);
    assert_no_allocations(65_535, 65_536);
    assert_no_allocations(0, 1);
}
