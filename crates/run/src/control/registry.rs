//! The sockets that programs have told of, by the identity in their names.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use portolan_protocol::request::Target;
use portolan_protocol::{SocketId, Transport};
use tokio::sync::watch;
use tokio::time::timeout;

use super::network::{Errno, Host};
use super::socket::Record;
use crate::owners::Owners;

/// Ended connections of listeners whose error may still be asked for.
const ENDED_MAX: usize = 1024;

/// Connections under way that are looked through for those that are not any more.
const CONNECTING_MAX: usize = 1024;

/// What the client of a connection may take to learn that it is complete.
const CLIENT_MAX: Duration = Duration::from_millis(100);

/// All sockets. A program's identity is 128 random bits of its own drawing; one that is not random harms itself only.
pub(super) struct Registry {
    host: Host,
    owners: Arc<Owners>,
    records: RefCell<HashMap<SocketId, Rc<Record>>>,
    /// Those of them that listen.
    listeners: RefCell<HashMap<SocketId, Rc<Record>>>,
    ended: RefCell<VecDeque<SocketId>>,
    /// Connections under way, by the client's address: those to this host are accepted here too.
    connecting: RefCell<HashMap<SocketAddr, Weak<Record>>>,
    /// Told when a socket has begun to listen or listens no more.
    listening: watch::Sender<()>,
}

impl Registry {
    pub(super) fn new(host: Host, owners: Arc<Owners>, listening: watch::Sender<()>) -> Self {
        Self {
            host,
            owners,
            records: RefCell::default(),
            listeners: RefCell::default(),
            ended: RefCell::default(),
            connecting: RefCell::default(),
            listening,
        }
    }

    /// The socket's record; made when it is heard of for the first time. A raw socket is not made here.
    pub(super) fn record(&self, target: Target) -> Result<Rc<Record>, Errno> {
        self.record_of(target, false)
    }

    /// As [`Registry::record`], for a user who may have raw sockets.
    pub(super) fn record_of(&self, target: Target, may_be_raw: bool) -> Result<Rc<Record>, Errno> {
        if let Some(record) = self.find(target.id) {
            return if record.target == target { Ok(record) } else { Err(Errno::INVAL) };
        }
        if matches!(target.kind.transport, Transport::Raw(_)) && !may_be_raw {
            return Err(Errno::PERM);
        }
        let record = Rc::new(Record::new(&self.host, target, &self.owners)?);
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

    /// A socket has begun to connect.
    pub(super) fn note_connecting(&self, record: &Rc<Record>) {
        let Some(local) = record.local() else { return };
        let mut connecting = self.connecting.borrow_mut();
        if connecting.len() >= CONNECTING_MAX {
            connecting.retain(|_, record| record.upgrade().is_some_and(|record| record.is_connecting()));
        }
        connecting.insert(local, Rc::downgrade(record));
    }

    /// Waits until the client of a connection within this host knows that it is complete, as it does on a kernel before
    /// the connection can be accepted. Not for ever: the client may be stopped.
    pub(super) async fn wait_for_client(&self, client: SocketAddr) {
        let record = self.connecting.borrow_mut().remove(&client).and_then(|record| record.upgrade());
        if let Some(record) = record {
            let _ = timeout(CLIENT_MAX, record.told()).await;
        }
    }

    /// A socket listens from now on.
    pub(super) fn add_listener(&self, record: &Rc<Record>) {
        self.listeners.borrow_mut().insert(record.target.id, Rc::clone(record));
        self.listening.send_replace(());
    }

    /// A socket listens no more.
    pub(super) fn remove_listener(&self, id: SocketId) {
        if self.listeners.borrow_mut().remove(&id).is_some() {
            self.listening.send_replace(());
        }
    }

    /// Every listener, for the sweep.
    pub(super) fn listeners(&self) -> Vec<Rc<Record>> {
        self.listeners.borrow().values().cloned().collect()
    }

    /// Forgets a socket and closes the stack's.
    pub(super) fn remove(&self, id: SocketId) {
        let removed = self.records.borrow_mut().remove(&id);
        if let Some(record) = removed {
            record.close();
        }
        self.remove_listener(id);
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

    pub(super) fn host(&self) -> &Host {
        &self.host
    }
}
