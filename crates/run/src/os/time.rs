//! The time of day where the user is.
#![allow(unsafe_code, reason = "localtime_r has no safe binding")]

use std::mem::MaybeUninit;

/// Hours, minutes and seconds of a moment of Unix time, by TZ or /etc/localtime. UTC where there is no such time.
pub fn time_of_day(seconds: u64) -> (u32, u32, u32) {
    let mut broken_down = MaybeUninit::<libc::tm>::uninit();
    let moment = libc::time_t::try_from(seconds).unwrap_or(0);
    // SAFETY: both pointers are valid for the call, and the structure is read only if it was filled in.
    let filled = unsafe {
        let result = libc::localtime_r(&raw const moment, broken_down.as_mut_ptr());
        if result.is_null() { None } else { Some(broken_down.assume_init()) }
    };
    match filled {
        Some(tm) => (tm.tm_hour.unsigned_abs(), tm.tm_min.unsigned_abs(), tm.tm_sec.unsigned_abs()),
        None => {
            let part = |per: u64, of: u64| u32::try_from(seconds / per % of).unwrap_or(0);
            (part(3600, 24), part(60, 60), part(1, 60))
        }
    }
}
