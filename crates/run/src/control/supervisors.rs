//! The processes that may act for their commands: the seccomp engine is part of a supervisor, and says for whom it asks.
//!
//! One is our parent. In a host that stays, each `portolan run --in` is another one, for as long as it has joined by the
//! admin socket, which tells its process by the kernel's word.

use std::cell::RefCell;
use std::rc::Rc;

/// Those that have joined.
#[derive(Debug, Default)]
pub struct Supervisors(RefCell<Vec<i32>>);

/// While this lives, its process is a supervisor.
#[derive(Debug)]
pub struct Joined {
    supervisors: Rc<Supervisors>,
    pid: i32,
}

impl Supervisors {
    /// A process has joined.
    pub fn join(self: &Rc<Self>, pid: i32) -> Joined {
        self.0.borrow_mut().push(pid);
        Joined { supervisors: Rc::clone(self), pid }
    }

    /// Whether a process may act for others: it has joined, is our parent, or ourselves.
    pub(super) fn has(&self, pid: i32) -> bool {
        // In another namespace of processes everybody is 0.
        if pid == 0 {
            return false;
        }
        let (own, parent) = (rustix::process::getpid(), rustix::process::getppid());
        [Some(own), parent].into_iter().flatten().any(|known| known.as_raw_pid() == pid)
            || self.0.borrow().contains(&pid)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut list = self.supervisors.0.borrow_mut();
        if let Some(at) = list.iter().position(|pid| *pid == self.pid) {
            list.swap_remove(at);
        }
    }
}
