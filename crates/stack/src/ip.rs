//! The internet layer: packets in (`input`, `v4`, `v6`), packets out (`output`), where to (`route`, `pmtu`), in parts
//! (`reassembly`, `fragment`), by a way of their own (`source_route`), and what is said about them (`icmpv4`, `icmpv6`,
//! `icmp_error`, `ndp`).

pub(crate) mod fragment;
pub(crate) mod icmp_error;
pub(crate) mod icmpv4;
pub(crate) mod icmpv6;
pub(crate) mod input;
pub(crate) mod membership;
pub(crate) mod ndp;
pub(crate) mod output;
pub(crate) mod pmtu;
pub(crate) mod reassembly;
pub(crate) mod route;
pub(crate) mod source_route;
pub(crate) mod v4;
pub(crate) mod v6;
