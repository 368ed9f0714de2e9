//! Attacks on TCP: one test for each row of the catalogue, named after it.
//!
//! Each file is a class: `e` malformed segments, `f` off-path, `g` exhaustion, `h` lying peers, `o` time. Counts are
//! the catalogue's when `PORTOLAN_FULL` is set, and smaller otherwise, with the same seeds.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod arena;
#[path = "../common/mod.rs"]
mod common;

mod e;
mod e_wrap;
mod f;
mod f_blind;
mod f_handshake;
mod f_secrets;
mod g;
mod g_opening;
mod g_sack;
mod g_slow;
mod h;
mod o;
