//! The sockets that programs have told of, by the identity in their names.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use portolan_protocol::SocketId;
use portolan_protocol::request::Target;

use super::network::{Errno, Host};
use super::socket::Record;
use crate::attribution::Attribution;

/// Ended connections of listeners whose error may still be asked for.
const ENDED_MAX: usize = 1024;

/// All sockets. A program's identity is 128 random bits of its own drawing; one that is not random harms itself only.
pub(super) struct Registry {
    host: Host,
    attribution: Attribution,
    records: RefCell<HashMap<SocketId, Rc<Record>>>,
    /// Those of them that listen.
    listeners: RefCell<HashMap<SocketId, Rc<Record>>>,
    ended: RefCell<VecDeque<SocketId>>,
}

impl Registry {
    pub(super) fn new(host: Host, attribution: Attribution) -> Self {
        Self {
            host,
            attribution,
            records: RefCell::default(),
            listeners: RefCell::default(),
            ended: RefCell::default(),
        }
    }

    /// The socket's record; made when it is heard of for the first time.
    pub(super) fn record(&self, target: Target) -> Result<Rc<Record>, Errno> {
        if let Some(record) = self.find(target.id) {
            return if record.target == target { Ok(record) } else { Err(Errno::INVAL) };
        }
        let record = Rc::new(Record::new(&self.host, target)?);
        self.insert(&record);
        Ok(record)
    }

    /// The record of an identity.
    pub(super) fn find(&self, id: SocketId) -> Option<Rc<Record>> {
        self.records.borrow().get(&id).cloned()
    }

    pub(super) fn insert(&self, record: &Rc<Record>) {
        self.records.borrow_mut().insert(record.target.id, Rc::clone(record));
    }

    /// A socket listens from now on.
    pub(super) fn add_listener(&self, record: &Rc<Record>) {
        self.listeners.borrow_mut().insert(record.target.id, Rc::clone(record));
    }

    /// A socket listens no more.
    pub(super) fn remove_listener(&self, id: SocketId) {
        self.listeners.borrow_mut().remove(&id);
    }

    /// Every listener, for the sweep.
    pub(super) fn listeners(&self) -> Vec<Rc<Record>> {
        self.listeners.borrow().values().cloned().collect()
    }

    /// Forgets a socket and closes the stack's.
    pub(super) fn remove(&self, id: SocketId) {
        self.remove_listener(id);
        let removed = self.records.borrow_mut().remove(&id);
        if let Some(record) = removed {
            record.close();
        }
    }

    /// A connection of a listener has ended. Its program may still ask why; the oldest such are forgotten.
    pub(super) fn retire(&self, id: SocketId) {
        let mut ended = self.ended.borrow_mut();
        ended.push_back(id);
        if ended.len() > ENDED_MAX
            && let Some(oldest) = ended.pop_front()
        {
            self.remove(oldest);
        }
    }

    /// Every record, for the sweep.
    pub(super) fn all(&self) -> Vec<Rc<Record>> {
        self.records.borrow().values().cloned().collect()
    }

    /// Where it is noted who holds a port.
    pub(super) fn attribution(&self) -> &Attribution {
        &self.attribution
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }
}
