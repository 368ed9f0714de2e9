//! Many seeds on several threads, and what to say of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portolan_swarm::{Plan, Report, Verdict, attempt};

/// Seeds that are named because they took long.
const SLOWEST: usize = 3;

/// What came of a range of seeds.
#[derive(Default)]
pub(crate) struct Swarm {
    /// Those that failed, by seed.
    pub(crate) failures: Vec<(u64, Verdict)>,
    seeds: u64,
    took: Duration,
    frames: u64,
    octets: u64,
    /// All trace hashes in one: equal in every build of the same code.
    digest: u64,
    ends: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    slowest: Vec<(Duration, u64)>,
}

impl Swarm {
    /// Plays the seeds from `from` on.
    pub(crate) fn play(from: u64, seeds: u64, jobs: usize) -> Swarm {
        let (next, start) = (AtomicU64::new(from), Instant::now());
        let whole = Mutex::new(Swarm { seeds, ..Swarm::default() });
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= from.saturating_add(seeds) {
                            break;
                        }
                        let (plan, start) = (Plan::draw(seed), Instant::now());
                        let result = attempt(&plan, None);
                        if let Ok(mut whole) = whole.lock() {
                            whole.add(seed, &plan, result, start.elapsed());
                        }
                    }
                });
            }
        });
        let mut whole = whole.into_inner().unwrap_or_default();
        whole.took = start.elapsed();
        whole.failures.sort_by_key(|(seed, _)| *seed);
        whole
    }

    fn add(&mut self, seed: u64, plan: &Plan, result: Result<Report, Verdict>, took: Duration) {
        self.octets += plan.octets();
        for fault in &plan.faults {
            *self.faults.entry(fault.kind.name()).or_default() += 1;
        }
        self.slowest.push((took, seed));
        self.slowest.sort_by(|a, b| b.cmp(a));
        self.slowest.truncate(SLOWEST);
        match result {
            Ok(report) => {
                self.frames += report.frames;
                // Threads finish in any order, so the digest must not depend on it.
                self.digest = self.digest.wrapping_add(report.trace.get().wrapping_mul(seed | 1));
                for (end, count) in report.ends {
                    *self.ends.entry(end).or_default() += count;
                }
            }
            Err(verdict) => self.failures.push((seed, verdict)),
        }
    }
}

impl fmt::Display for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Swarm { seeds, failures, frames, octets, .. } = self;
        #[expect(clippy::cast_precision_loss, reason = "counts of seeds are far below 2^52")]
        let rate = *seeds as f64 / self.took.as_secs_f64().max(1e-9);
        writeln!(f, "{seeds} seeds, {} failed, {frames} frames, {octets} octets", failures.len())?;
        writeln!(f, "digest {:016x}", self.digest)?;
        writeln!(f, "{rate:.0} seeds/s in {:.1} s", self.took.as_secs_f64())?;
        for (title, counts) in [("ends", &self.ends), ("faults", &self.faults)] {
            let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            writeln!(f, "{title}: {}", words.join(", "))?;
        }
        let slowest: Vec<String> =
            self.slowest.iter().map(|(took, seed)| format!("{seed} ({} ms)", took.as_millis())).collect();
        writeln!(f, "slowest: {}", slowest.join(", "))?;
        let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (seed, verdict) in failures {
            kinds.entry(&verdict.signature).or_default().push(seed.to_string());
        }
        for (signature, seeds) in kinds {
            let some = seeds.get(..seeds.len().min(12)).unwrap_or_default().join(" ");
            writeln!(f, "FAILED {} x {signature}: seeds {some}", seeds.len())?;
        }
        Ok(())
    }
}
