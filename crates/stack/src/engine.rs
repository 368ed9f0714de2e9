//! What every step of the host needs beside the tables: the time, the settings, chance, memory and counters.

use alloc::boxed::Box;

use portolan_link::{Instant, Pool};
use portolan_tcp::{Context, NoTrace, Slabs, Tracer};

use crate::Config;
use crate::drop::DropReason;
use crate::random::{Random, Seeds};
use crate::stats::{IcmpStats, IpStats, Stats};

/// The part of a stack that is not a table.
pub(crate) struct Engine {
    /// The latest moment that any call named; it never goes back.
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) pool: Pool,
    pub(crate) slabs: Slabs,
    pub(crate) tracer: Box<dyn Tracer + Send>,
    pub(crate) stats: Stats,
    pub(crate) icmp_errors: Bucket,
    pub(crate) resets: Bucket,
}

impl Engine {
    pub(crate) fn new(config: Config, seeds: &Seeds) -> Engine {
        let icmp_errors = Bucket::new(config.icmp_errors_per_second, config.icmp_errors_burst);
        let resets = Bucket::new(config.resets_per_second, config.resets_per_second / 4);
        Engine {
            now: Instant::ZERO,
            config,
            random: Random::new(seeds),
            pool: Pool::new(),
            slabs: Slabs::new(),
            tracer: Box::new(NoTrace),
            stats: Stats::default(),
            icmp_errors,
            resets,
        }
    }

    /// What a connection may use during one call: `mss` is the largest text of its path without options, both ways,
    /// `gso_max` the largest super-segment with headers.
    pub(crate) fn context(&mut self, mss: u16, gso_max: u32) -> Context<'_> {
        Context {
            now: self.now,
            random: self.random.secret_u64(),
            pool: &mut self.pool,
            config: &self.config.tcp,
            slabs: &mut self.slabs,
            mss,
            advertised_mss: mss,
            gso_max,
            tracer: &mut *self.tracer,
            stats: &mut self.stats.tcp,
        }
    }

    /// Whether one more reset may go to who has no connection.
    pub(crate) fn may_reset(&mut self) -> bool {
        let chance = self.random.secret_below(3);
        self.resets.take(self.now, chance)
    }

    /// Whether one more ICMP error may go.
    pub(crate) fn may_complain(&mut self) -> bool {
        let chance = self.random.secret_below(3);
        self.icmp_errors.take(self.now, chance)
    }

    pub(crate) fn drop(&mut self, reason: DropReason) {
        self.stats.drops.add(reason);
    }

    /// The counters of one IP version.
    pub(crate) fn ip_stats(&mut self, v4: bool) -> &mut IpStats {
        if v4 { &mut self.stats.ipv4 } else { &mut self.stats.ipv6 }
    }

    /// The counters of one version's ICMP.
    pub(crate) fn icmp_stats(&mut self, v4: bool) -> &mut IcmpStats {
        if v4 { &mut self.stats.icmpv4 } else { &mut self.stats.icmpv6 }
    }
}

/// A token bucket: so many per second, and so many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    burst: u64,
    /// Millionths of a token.
    level: u64,
    filled_at: Instant,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32) -> Bucket {
        let burst = u64::from(burst.max(1)) * TOKEN;
        Bucket { per_second: per_second.into(), burst, level: burst, filled_at: Instant::ZERO }
    }

    /// Takes a token if there is one. What it costs is 0 to 2 by `chance`, a random number below 3: a count that all
    /// senders share must not tell one of them exactly what was answered to another (CVE-2016-5696, CVE-2020-25705).
    pub(crate) fn take(&mut self, now: Instant, chance: u32) -> bool {
        let gained = now.micros_since(self.filled_at).saturating_mul(self.per_second);
        if gained > 0 {
            self.level = self.burst.min(self.level.saturating_add(gained));
            self.filled_at = now;
        }
        let allowed = self.level >= TOKEN;
        if allowed {
            self.level = self.level.saturating_sub(TOKEN * u64::from(chance));
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(10, 3);
        let taken =
            |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(Instant::from_millis(now), 1)).count();
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 99), 0);
        assert_eq!(taken(&mut bucket, 200), 2);
        assert_eq!(taken(&mut bucket, 1_000_000), 3);
    }
}
