//! All of a host's chance: two streams and a few keys, drawn from the seeds and from nothing else.
//!
//! The secret stream feeds whatever an attacker must not guess: sequence numbers, ports, hash keys, identifications.
//! The public stream feeds jitter only.

use core::hash::BuildHasher;

use chacha20::ChaCha12Rng;
use portolan_link::Instant;
use portolan_tcp::CookieKeys;
use portolan_wire::FlowKey;
use rand_core::{Rng, SeedableRng};
use siphasher::sip::SipHasher13;

/// The seeds of a host. Equal seeds, configuration and calls give equal output.
#[derive(Clone)]
pub struct Seeds {
    /// Feeds what may be known, such as jitter.
    pub public: u64,
    /// Feeds what must not be guessed: sequence numbers, ports, hash keys. From the system's entropy, except in tests.
    pub secret: [u8; 32],
}

impl Seeds {
    /// Seeds for tests and simulations, where everything follows from one number.
    #[must_use]
    pub fn fixed(seed: u64) -> Seeds {
        let mut secret = [0; 32];
        ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut secret);
        Seeds { public: seed, secret }
    }
}

impl core::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Seeds").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Builds SipHash-1-3 hashers with a secret key, for tables whose keys a remote chooses.
#[derive(Clone, Copy)]
pub(crate) struct Keyed([u8; 16]);

impl Keyed {
    /// The hash of a flow, taken over its fields as one run of octets.
    pub(crate) fn flow(&self, key: &FlowKey) -> u64 {
        SipHasher13::new_with_key(&self.0).hash(&flow_octets(key))
    }

    /// The hash of any octets.
    pub(crate) fn octets(&self, octets: &[u8]) -> u64 {
        SipHasher13::new_with_key(&self.0).hash(octets)
    }

    /// The key itself, for functions that hash by themselves.
    pub(crate) fn key(&self) -> &[u8; 16] {
        &self.0
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

impl core::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keyed(secret)")
    }
}

/// The fields of a flow's key in a fixed order.
pub(crate) fn flow_octets(key: &FlowKey) -> [u8; 39] {
    let mut octets = [0; 39];
    let parts: [&[u8]; 6] = [
        &key.local.address.octets(),
        &key.remote.address.octets(),
        &key.local.port.to_be_bytes(),
        &key.remote.port.to_be_bytes(),
        &key.zone.to_be_bytes(),
        &[key.protocol],
    ];
    for (octet, value) in octets.iter_mut().zip(parts.into_iter().flatten()) {
        *octet = *value;
    }
    octets
}

/// How long one key serves for ephemeral ports, in microseconds: an hour.
const PORT_KEY_US: u64 = 3_600_000_000;

/// The streams and keys of a host.
pub(crate) struct Random {
    secret: ChaCha12Rng,
    public: ChaCha12Rng,
    /// Hashes the tables' keys.
    pub(crate) tables: Keyed,
    /// RFC 6528: the key of initial sequence numbers and timestamp offsets.
    pub(crate) isn: Keyed,
    /// RFC 4987 §3.6: the keys of SYN cookies.
    pub(crate) cookies: CookieKeys,
    /// RFC 6056 §3.3.3: the key of ephemeral ports' offsets.
    ports: Keyed,
    /// When that key was made.
    ports_at: Instant,
    /// RFC 6437 §3: the key of flow labels. RFC 7739 §5.3: the key of fragment identifications.
    pub(crate) labels: Keyed,
}

impl Random {
    pub(crate) fn new(seeds: &Seeds) -> Random {
        let mut secret = ChaCha12Rng::from_seed(seeds.secret);
        let mut key = || {
            let mut key = [0; 16];
            secret.fill_bytes(&mut key);
            Keyed(key)
        };
        let (tables, isn, ports, labels, cookies) = (key(), key(), key(), key(), key());
        Random {
            secret,
            public: ChaCha12Rng::seed_from_u64(seeds.public),
            tables,
            isn,
            ports,
            ports_at: Instant::ZERO,
            labels,
            cookies: CookieKeys::new(*cookies.key()),
        }
    }

    /// The key of ephemeral ports' offsets. RFC 6056 §3.4: a secret that lasts is found out some day, so that there is a
    /// new one now and then; a port that is in use stays so, whatever the key.
    pub(crate) fn port_key(&mut self, now: Instant) -> Keyed {
        if now.micros_since(self.ports_at) >= PORT_KEY_US {
            (self.ports, self.ports_at) = (Keyed(self.secret_key()), now);
        }
        self.ports
    }

    /// A new secret key.
    pub(crate) fn secret_key(&mut self) -> [u8; 16] {
        let mut key = [0; 16];
        self.secret.fill_bytes(&mut key);
        key
    }

    /// The keys for a SYN cookie that is made now.
    pub(crate) fn fresh_cookie_keys(&mut self, now: Instant) -> &CookieKeys {
        if self.cookies.is_stale(now) {
            let key = self.secret_key();
            self.cookies.rotate(now, key);
        }
        &self.cookies
    }

    pub(crate) fn secret_u64(&mut self) -> u64 {
        self.secret.next_u64()
    }

    pub(crate) fn secret_u32(&mut self) -> u32 {
        self.secret.next_u32()
    }

    /// A secret number below `bound`; 0 if `bound` is 0. The bias is below 2^-32 for the small bounds used here.
    pub(crate) fn secret_below(&mut self, bound: u32) -> u32 {
        let scaled = (u128::from(self.secret_u64()) * u128::from(bound)) >> 64;
        u32::try_from(scaled).unwrap_or(0)
    }

    /// A public number from `low` to `high`, both included, for jitter.
    pub(crate) fn jitter(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high.saturating_sub(low)) + 1;
        low + u64::try_from((u128::from(self.public.next_u64()) * span) >> 64).unwrap_or(0)
    }
}

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Random(secret)")
    }
}
