//! Real programs, unchanged, from Debian, each on a stack of its own under `portolan run`.
//!
//! A test is a shell script of `scripts/` in one run: it starts a server, waits for its port, runs clients against it,
//! and prints what they found. What is asserted is the program's own result: content, exit statuses, rows of a table.
//!
//! Start in [`harness`]; a group of programs is a module. `docs/data/compatibility/programs.csv` says what is exercised,
//! and [`table`] holds it against the tests that are here.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod browsers;
mod files;
mod harness;
mod languages;
mod mail;
mod measure;
mod names;
mod relays;
mod shells;
mod stores;
mod table;
mod web;
