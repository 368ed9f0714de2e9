//! One attempt at a plan, in which a panic is a failure like any other.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

use portolan_drivers::Capture;

use crate::plan::Plan;
use crate::story::{Report, play};

/// What went wrong with a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What, where and when, with the last frames, in lines.
    pub text: String,
    /// The kind of failure: the text without its numbers and details. Equal for what is likely the same bug.
    pub signature: String,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics of this program from being printed: [`attempt`] tells of them.
pub fn quieten_panics() {
    panic::set_hook(Box::new(|info| {
        PANIC.with(|slot| *slot.borrow_mut() = Some(format!("panic: {info}")));
    }));
}

/// Plays a plan.
///
/// # Errors
/// What went wrong, panics included.
pub fn attempt(plan: &Plan, capture: Option<Capture>) -> Result<Report, Verdict> {
    match panic::catch_unwind(AssertUnwindSafe(|| play(plan, capture))) {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(failure)) => {
            let mut text = format!("at {} us: {}", failure.at.as_micros(), failure.what);
            for line in &failure.last_frames {
                text.push_str("\n  ");
                text.push_str(line);
            }
            Err(Verdict { text, signature: signature(&failure.what) })
        }
        Err(payload) => {
            let said = payload.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = said.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            let text = PANIC.with(|slot| slot.borrow_mut().take());
            Err(Verdict {
                signature: format!("panic: {}", signature(&said)),
                text: text.unwrap_or_else(|| format!("panic: {said}")),
            })
        }
    }
}

/// What comes before the first semicolon, without digits, and without saying which of the two sides it was.
fn signature(what: &str) -> String {
    let head = what.split(';').next().unwrap_or(what);
    head.replace("client", "side").replace("server", "side").chars().filter(|c| !c.is_ascii_digit()).collect()
}
