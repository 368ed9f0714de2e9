//! Real programs, unchanged, from Debian, each on a stack of its own under `portolan run`.
//!
//! A test is a shell script in one run: it starts a server, waits for its port, runs clients against it, and prints
//! what they found. What is asserted is the program's own result: content, exit statuses, rows of a table.
//!
//! Start in [`harness`]; a group of programs is a module.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#[path = "../support/mod.rs"]
mod support;

mod harness;
mod measure;
mod relays;
mod stores;
mod web;
