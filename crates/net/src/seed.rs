//! Where a host's randomness comes from.

use portolan_stack::Seeds;

/// The seed of everything that a host draws at random: sequence numbers, ports, cookies, hash keys, jitter.
#[derive(Clone, Debug)]
pub struct Seed(Seeds);

impl Seed {
    /// A fresh seed from the system, as every host on a real network needs it.
    ///
    /// # Panics
    /// If the system has no randomness to give, which Linux after boot always has.
    pub fn from_system() -> Seed {
        let mut octets = [0; 40];
        getrandom::fill(&mut octets).expect("the system gives random octets");
        let (public, secret) = octets.split_at(8);
        let mut seeds = Seeds { public: 0, secret: [0; 32] };
        seeds.public = u64::from_le_bytes(public.try_into().unwrap_or_default());
        seeds.secret.copy_from_slice(secret);
        Seed(seeds)
    }

    /// A seed that can be given again, to replay a run. Who knows it can forge segments: for tests and simulation.
    pub fn fixed(number: u64) -> Seed {
        Seed(Seeds::fixed(number))
    }

    pub(crate) fn into_seeds(self) -> Seeds {
        self.0
    }
}
