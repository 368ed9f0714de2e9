//! The library that the real packetdrill loads: one symbol, `packetdrill_interface_init`, that fills in a table of
//! functions over one [`crate::machine::Machine`].
//!
//! Time is virtual. packetdrill reads no clock but `gettimeofday` of the table, so the machine's clock moves only when
//! packetdrill sleeps, when it waits for a packet, and by a microsecond whenever it asks for the time, because it spins
//! on that. A call that blocks runs in packetdrill's second thread: it waits on a condition variable, and whichever
//! thread moves the machine on completes it; the time at which that happened is what the waiting thread is told when
//! it asks next. `world` is this machinery, `table` the functions, `message` C's structures, `control` the socket at
//! which shell commands knock.

mod control;
mod message;
mod table;
mod world;

use core::ffi::{CStr, c_char};
use std::sync::Arc;

use portolan_wire::{Address, Cidr};

use crate::machine::Settings;

pub use table::Interface;
use world::World;

/// The abstract name of the socket at which the machine of this process can be asked.
#[must_use]
pub fn control_name(pid: &str) -> String {
    format!("portolan-script-{pid}")
}

/// Fills in packetdrill's table and switches a new machine on. `flags` is the text of `--so_flags`, or null: words
/// `personality=NAME`, `local_ip=ADDRESS`, `mtu=OCTETS` and `seed=NUMBER`, separated by commas.
///
/// # Safety
/// `flags` is null or a C string, and `interface` points to a table that can be written.
#[expect(unsafe_code, reason = "the C interface of packetdrill")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(flags: *const c_char, interface: *mut Interface) {
    let text = if flags.is_null() {
        String::new()
    } else {
        // SAFETY: the caller vouches for a C string.
        unsafe { CStr::from_ptr(flags) }.to_string_lossy().into_owned()
    };
    let world = Arc::new(World::new(settings(&text)));
    control::serve(&world);
    // SAFETY: the caller vouches for the table.
    unsafe { interface.write(Interface::new(world)) };
}

/// The settings that `--so_flags` asks for. A word that means nothing is reported and left out.
fn settings(flags: &str) -> Settings {
    let mut settings = Settings::default();
    for word in flags.split(',').filter(|word| !word.is_empty()) {
        if apply(&mut settings, word).is_none() {
            eprintln!("portolan: --so_flags: '{word}' means nothing");
        }
    }
    settings
}

fn apply(settings: &mut Settings, word: &str) -> Option<()> {
    let (key, value) = word.split_once('=')?;
    match key {
        "personality" => settings.personality = value.parse().ok()?,
        "mtu" => settings.mtu = value.parse().ok()?,
        "seed" => settings.seed = value.parse().ok()?,
        "local_ip" => {
            let address: Address = value.parse().ok()?;
            let cidr = Cidr::new(address, if address.is_v4() { 16 } else { 64 })?;
            settings.addresses.retain(|own| own.address().family() != address.family());
            settings.addresses.push(cidr);
        }
        _ => return None,
    }
    Some(())
}
