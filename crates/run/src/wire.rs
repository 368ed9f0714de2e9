//! `--link wire:NAME`: where the hosts on one virtual Ethernet find each other.
//!
//! A wire is a directory beside the admin sockets, which only its user can enter. Each member has a number in it, and
//! under that a socket, N.sock, to which later members connect ([`portolan_drivers::lan`]), and a record, N.json, with
//! its name and addresses. It holds a lock on its record while it lives, so that what a killed member has left is known
//! for what it is, and removed by the next who comes. There is no daemon: members join one after the other, under a lock
//! on the directory. Start at [`join`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use portolan_drivers::lan::{Lan, MEMBERS_MAX};
use rustix::fs::{FlockOperation, flock};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use serde::{Deserialize, Serialize};

use crate::admin::directory::Directory;
use crate::config::{Config, Network};
use crate::dns::builtin::ZONE;
use crate::summary::escape;

/// The wire's MTU when none is given.
const DEFAULT_MTU: u16 = 1500;

/// Connections that wait for a member to look: all others may come at once.
const BACKLOG: i32 = 256;

/// The octets of a record that are read.
const RECORD_MAX: u64 = 64 * 1024;

/// What members tell each other of themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    pid: u32,
    hostname: Option<String>,
    addresses: Vec<Network>,
}

/// A place on a wire, which is given up with the value.
#[derive(Debug)]
pub struct Membership {
    /// The addresses that the host has on it.
    pub addresses: Vec<Network>,
    directory: PathBuf,
    files: [PathBuf; 2],
    /// Held for its lock.
    _record: File,
}

/// Joins the wire `name` as `config` says; without addresses of its own, the host gets the next free ones. Fails with
/// one line.
pub fn join(name: &str, config: &Config) -> Result<(Membership, Lan), String> {
    let offload = config.shape == crate::config::Shape::default();
    let wrong = |why: &dyn std::fmt::Display| format!("--link wire:{name}: {why}");
    let directory = Directory::make().map_err(|failure| wrong(&failure))?.path().join(format!("wire-{name}"));
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(wrong(&format_args!("{}: {error}", directory.display())));
        }
        _ => {}
    }
    let cannot = |error: io::Error| wrong(&format_args!("{}: {error}", directory.display()));
    let lock = File::open(&directory).map_err(cannot)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| cannot(errno.into()))?;
    let members = members(&directory, Dead::Removed);
    if let Some(hostname) = &config.hostname
        && let Some((_, other)) = members.iter().find(|(_, other)| other.hostname.as_ref() == Some(hostname))
    {
        return Err(wrong(&format_args!(
            "there is a host '{hostname}' on it already (process {})",
            other.pid
        )));
    }
    let number = (1..=MEMBERS_MAX).find(|number| members.iter().all(|(other, _)| other != number));
    let number = number.ok_or_else(|| wrong(&format_args!("it is full: {MEMBERS_MAX} hosts are on it")))?;
    let addresses = addresses(number, config, &members).map_err(|why| wrong(&why))?;

    let files = ["sock", "json"].map(|suffix| directory.join(format!("{number}.{suffix}")));
    let listener = listener(&files[0]).map_err(cannot)?;
    let record =
        Record { pid: std::process::id(), hostname: config.hostname.clone(), addresses: addresses.clone() };
    let record = write(&files[1], &record).map_err(cannot)?;
    let others = members.iter().filter_map(|(other, _)| reach(&directory, *other)).collect();
    let mtu = config.mtu.unwrap_or(DEFAULT_MTU);
    let lan = Lan::new(mtu, offload, listener, others).map_err(|errno| cannot(errno.into()))?;
    Ok((Membership { addresses, directory, files, _record: record }, lan))
}

impl Membership {
    /// Where the names of this wire's hosts are.
    pub fn names(&self) -> Names {
        Names(self.directory.clone())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Under the lock, so that nobody joins meanwhile. The directory stays, for those who wait for its lock.
        let lock = File::open(&self.directory);
        let _ = lock.as_ref().map(|lock| flock(lock, FlockOperation::LockExclusive));
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// The names of a wire's hosts, as they are at each question: NAME and NAME.portolan.internal.
#[derive(Clone, Debug)]
pub struct Names(PathBuf);

impl Names {
    /// The addresses of a canonical name.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let name = name.strip_suffix(ZONE).and_then(|rest| rest.strip_suffix('.')).unwrap_or(name);
        let named = self.records().into_iter().find(|record| record.hostname.as_deref() == Some(name));
        named.map(|record| record.addresses.iter().map(|own| own.address).collect()).unwrap_or_default()
    }

    /// Every name and its addresses.
    pub fn all(&self) -> Vec<(String, Vec<IpAddr>)> {
        let named = |record: Record| {
            Some((record.hostname?, record.addresses.iter().map(|own| own.address).collect()))
        };
        self.records().into_iter().filter_map(named).collect()
    }

    /// The name of an address.
    pub fn name_of(&self, address: IpAddr) -> Option<String> {
        let has = |record: &Record| record.addresses.iter().any(|own| own.address == address);
        self.records().into_iter().find(has)?.hostname
    }

    fn records(&self) -> Vec<Record> {
        members(&self.0, Dead::Left).into_iter().map(|(_, record)| record).collect()
    }
}

/// What becomes of files whose member is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dead {
    /// For who holds the directory's lock.
    Removed,
    Left,
}

/// Every member that lives, by its number.
fn members(directory: &Path, dead: Dead) -> Vec<(usize, Record)> {
    let mut members = Vec::new();
    for number in 1..=MEMBERS_MAX {
        let [socket, record] = ["sock", "json"].map(|suffix| directory.join(format!("{number}.{suffix}")));
        match File::open(&record) {
            Ok(file) if flock(&file, FlockOperation::NonBlockingLockShared).is_err() => {
                // One that is just being written is one that is not there yet.
                members.extend(read(&file).map(|record| (number, record)));
            }
            _ if dead == Dead::Removed => {
                let _ = fs::remove_file(record);
                let _ = fs::remove_file(socket);
            }
            _ => {}
        }
    }
    members
}

fn read(file: &File) -> Option<Record> {
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, RECORD_MAX), &mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Makes a record and locks it for as long as the file is open.
fn write(path: &Path, record: &Record) -> io::Result<File> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    Ok(file)
}

/// The host's addresses: those that were asked for, if nobody has them, or the first free ones.
fn addresses(number: usize, config: &Config, members: &[(usize, Record)]) -> Result<Vec<Network>, String> {
    let holder = |address: IpAddr| {
        members.iter().find(|(_, other)| other.addresses.iter().any(|own| own.address == address))
    };
    for network in &config.addresses {
        if let Some((_, other)) = holder(network.address) {
            let name = other.hostname.as_deref().map_or(String::new(), |name| format!(" '{}'", escape(name)));
            return Err(format!(
                "{} is taken by the host{name} (process {}); take another one, or none to be given one",
                network.address, other.pid
            ));
        }
    }
    if !config.addresses.is_empty() {
        return Ok(config.addresses.clone());
    }
    let first = u8::try_from(number).unwrap_or(1);
    (first..255)
        .chain(1..first)
        .map(given)
        .find(|pair| pair.iter().all(|network| holder(network.address).is_none()))
        .map(Vec::from)
        .ok_or_else(|| "no address is free; give one with --address CIDR".into())
}

/// The `n`th addresses of those that are given to hosts which ask for none.
fn given(n: u8) -> [Network; 2] {
    [
        Network { address: Ipv4Addr::new(10, 0, 3, n).into(), prefix: 24 },
        Network { address: Ipv6Addr::new(0xfd00, 0, 0, 3, 0, 0, 0, n.into()).into(), prefix: 64 },
    ]
}

fn unix_socket() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

fn listener(path: &Path) -> io::Result<OwnedFd> {
    let socket = unix_socket()?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A connection to a member; none if it has just gone.
fn reach(directory: &Path, number: usize) -> Option<OwnedFd> {
    let socket = unix_socket().ok()?;
    let path = directory.join(format!("{number}.sock"));
    rustix::io::ioctl_fionbio(&socket, true).ok()?;
    connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
    Some(socket)
}
