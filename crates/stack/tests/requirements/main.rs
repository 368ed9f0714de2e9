//! Requirements of RFC 9293 that only a whole host can meet: addresses, what IP is told and asked, and what the
//! application hears. Each test names what it proves, and `docs/conformance.md` lists them.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod addresses;
#[path = "../common/mod.rs"]
mod common;
mod header;
mod internet;
mod raw;
mod reports;
mod segment_size;
mod source_route;
