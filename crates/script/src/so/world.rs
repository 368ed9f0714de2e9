//! One machine, several threads, and calls that wait.

use core::task::Poll;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use portolan_link::Instant;

use crate::Errno;
use crate::machine::{Machine, SentPacket, Settings, Wait};

/// Moments that a wait for a packet may skip before it is taken for one without end.
const STEPS_MAX: usize = 100_000;

/// How long a thread may take to go on after its call has ended, before the others go on without it.
const HANDOVER: Duration = Duration::from_millis(200);

thread_local! {
    /// When this thread's last call ended that had to wait, if nobody has asked for the time since.
    static ENDED_AT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The machine as packetdrill's threads share it.
pub(super) struct World {
    state: Mutex<State>,
    ended: Condvar,
    /// The thread that runs the script: while it waits in a call nobody else moves the clock.
    main: ThreadId,
}

/// What the lock protects.
pub(super) struct State {
    pub(super) machine: Machine,
    waiting: Vec<Box<dyn Waiting>>,
    /// Threads whose calls have ended, and that have not come to rest since.
    returning: Vec<u32>,
    pub(super) closed: bool,
}

/// A call that waits in some thread.
trait Waiting: Send {
    /// Tries again; whether the call has ended.
    fn try_again(&mut self, machine: &mut Machine) -> bool;
    /// When it must be tried even if nothing happens.
    fn deadline(&self) -> Option<Instant>;
    /// The thread that waits.
    fn thread(&self) -> u32;
}

/// How a call ended, and when.
type Outcome<T> = Arc<Mutex<Option<(Result<T, Errno>, u64)>>>;

struct WaitingCall<T, F> {
    call: F,
    wait: Wait,
    outcome: Outcome<T>,
    thread: u32,
}

impl<T, F> Waiting for WaitingCall<T, F>
where
    T: Send,
    F: FnMut(&mut Machine, &mut Wait) -> Poll<Result<T, Errno>> + Send,
{
    fn try_again(&mut self, machine: &mut Machine) -> bool {
        let Poll::Ready(result) = (self.call)(machine, &mut self.wait) else { return false };
        *lock(&self.outcome) = Some((result, machine.wall_clock_us()));
        true
    }

    fn deadline(&self) -> Option<Instant> {
        self.wait.deadline()
    }

    fn thread(&self) -> u32 {
        self.thread
    }
}

/// Locks what no panic can leave half-done: a panic in the machine ends the process anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(settings: Settings) -> World {
        let state = State {
            machine: Machine::new(settings),
            waiting: Vec::new(),
            returning: Vec::new(),
            closed: false,
        };
        World { state: Mutex::new(state), ended: Condvar::new(), main: thread::current().id() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes a call that does not wait.
    pub(super) fn now<T>(&self, call: impl FnOnce(&mut Machine) -> T) -> T {
        let mut state = self.lock();
        let result = call(&mut state.machine);
        self.wake(&mut state);
        result
    }

    /// Makes a call that may wait.
    pub(super) fn wait<T, F>(&self, mut call: F) -> Result<T, Errno>
    where
        T: Send + 'static,
        F: FnMut(&mut Machine, &mut Wait) -> Poll<Result<T, Errno>> + Send + 'static,
    {
        let mut state = self.lock();
        let mut wait = Wait::default();
        let first = call(&mut state.machine, &mut wait);
        self.wake(&mut state);
        if let Poll::Ready(result) = first {
            return result;
        }
        let outcome: Outcome<T> = Arc::default();
        let thread = this_thread();
        state.waiting.push(Box::new(WaitingCall { call, wait, outcome: Arc::clone(&outcome), thread }));
        loop {
            if let Some((result, at)) = lock(&outcome).take() {
                ENDED_AT.set(Some(at));
                return result;
            }
            if state.closed || thread::current().id() == self.main && !self.step(&mut state, Instant::MAX) {
                return Err(Errno::EDEADLK);
            }
            if thread::current().id() != self.main {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Gives the next packet that was sent, moving the clock on as far as it takes; `None` if none will ever come.
    pub(super) fn next_packet(&self) -> Option<(SentPacket, u64)> {
        let mut state = self.lock();
        for _ in 0..STEPS_MAX {
            if let Some(packet) = state.machine.take_packet() {
                let at = state.machine.wall_clock_us() - state.machine.now().micros_since(packet.at);
                return Some((packet, at));
            }
            if !self.step(&mut state, Instant::MAX) {
                return None;
            }
        }
        None
    }

    /// Lets so many microseconds pass. The threads whose calls have ended come first: what they do next, they would
    /// have done within the time that passes.
    pub(super) fn sleep(&self, micros: u64) {
        let returning = core::mem::take(&mut self.lock().returning);
        for thread in returning {
            await_rest(thread);
        }
        self.pass(micros);
    }

    fn pass(&self, micros: u64) {
        let mut state = self.lock();
        let until = state.machine.now().plus_micros(micros);
        self.advance(&mut state, until);
    }

    /// The time in microseconds since 1970. It passes by being asked for, because packetdrill spins on it.
    pub(super) fn time_us(&self) -> u64 {
        if let Some(at) = ENDED_AT.take() {
            return at;
        }
        self.pass(1);
        self.lock().machine.wall_clock_us()
    }

    /// The script is over: calls that still wait end.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.ended.notify_all();
    }

    fn advance(&self, state: &mut State, until: Instant) {
        for _ in 0..STEPS_MAX {
            if !self.step(state, until) {
                break;
            }
        }
        state.machine.advance_to(until);
        self.wake(state);
    }

    /// Moves on to the next moment at which something is due; `false` if that is after `until` or never.
    fn step(&self, state: &mut State, until: Instant) -> bool {
        let waits = state.waiting.iter().filter_map(|call| call.deadline());
        let Some(next) = waits.chain(state.machine.next_deadline()).min().filter(|&next| next <= until)
        else {
            return false;
        };
        state.machine.advance_to(next);
        self.wake(state);
        true
    }

    /// Tries the calls that wait, after something has happened.
    fn wake(&self, state: &mut State) {
        let State { machine, waiting, returning, .. } = state;
        let before = waiting.len();
        waiting.retain_mut(|call| {
            let ended = call.try_again(machine);
            if ended {
                returning.push(call.thread());
            }
            !ended
        });
        if waiting.len() < before {
            self.ended.notify_all();
        }
    }
}

/// The number of the calling thread, as /proc has it.
fn this_thread() -> u32 {
    let path = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
}

/// Waits until a thread sleeps, as packetdrill itself does after it has started a call: by then it has noted what its
/// call gave. A thread that sleeps for another reason, or not at all, is left to itself after a while.
fn await_rest(thread: u32) {
    let begun = std::time::Instant::now();
    let path = format!("/proc/self/task/{thread}/stat");
    // Between its waking and its first step it may look asleep.
    thread::sleep(Duration::from_millis(1));
    while begun.elapsed() < HANDOVER {
        let Ok(stat) = std::fs::read_to_string(&path) else { return };
        // The state follows the name, which is in parentheses and may itself contain some.
        if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')) {
            return;
        }
        thread::sleep(Duration::from_micros(100));
    }
}
