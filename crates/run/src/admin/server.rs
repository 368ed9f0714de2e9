//! The stack process's side of the admin socket.
//!
//! Each client has a task of its own on the stack process's thread; what it does to the host is one short call. A
//! client that sends half a line, none, or one without an end is given up by a limit; so is one that does not read.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portolan::Host;
use portolan_drivers::Monitor;
use portolan_filter::Filter;
use portolan_sim::impair::{Direction, ImpairmentError, Schedule, ShapeHandle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::AdminError;
use super::capture::Watch;
use super::directory::Directory;
use super::message::{Hello, Identity, Info, Reply, Request, Shape, VERSION};
use super::sockets;
use crate::channel::line;
use crate::config::Config;
use crate::control::{Holdings, Supervisors};
use crate::os::unix;
use crate::owners::Owners;

/// The longest line of a client, in octets.
const LINE_MAX: u64 = 64 * 1024;

/// Clients at one time.
const CLIENTS_MAX: usize = 32;

/// What a client may take to say which version it speaks.
const GREETING_TIME: Duration = Duration::from_secs(5);

/// What it may take until its next request.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// What it may take to read an answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A pause after a failed accept, as at the limit of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A host's socket, which goes away with the value.
#[derive(Debug)]
pub struct AdminSocket {
    listener: Rc<UnixListener>,
    path: PathBuf,
}

/// What clients can ask about.
pub struct Served {
    /// The command's host.
    pub host: Host,
    /// The sockets of its programs.
    pub holdings: Holdings,
    /// The faults of its link.
    pub shape: ShapeHandle,
    /// Who it is.
    pub identity: Identity,
    /// Its link, to be watched.
    pub monitor: Monitor,
    /// The command's SSLKEYLOGFILE, if it is known.
    pub keys: Option<PathBuf>,
    /// Where its packets go.
    pub link: String,
    /// Its addresses with their prefixes.
    pub addresses: Vec<String>,
    /// When it was started.
    pub started: Instant,
    /// And with what.
    pub settings: Config,
    /// What a command must inherit to run in this host.
    pub variable: (String, String),
    /// Who may act for other processes: those who join, too.
    pub supervisors: Rc<Supervisors>,
    /// Told when the host is to end.
    pub down: Rc<Notify>,
    /// Told when it has ended: then those who watch it get their last frames.
    pub ended: Rc<watch::Sender<bool>>,
    /// The host is the gateway's, because the command's is the kernel's: who has the command's ports.
    pub seen_from_gateway: Option<Arc<Owners>>,
}

impl AdminSocket {
    /// Listens under a host's name; a socket that nobody listens on is replaced. Needs a tokio runtime with I/O.
    pub fn bind(name: &str) -> Result<AdminSocket, AdminError> {
        let directory = Directory::make()?;
        let path = directory.socket(name)?;
        let _lock = directory.lock()?;
        if let Ok(stream) = StdUnixStream::connect(&path) {
            let pid = unix::peer(stream.as_fd()).ok().map(|peer| peer.pid);
            return Err(AdminError::Running { name: name.to_owned(), pid });
        }
        // Nobody listens: what is there has been left by a process that was killed.
        let _ = std::fs::remove_file(&path);
        let listen = || {
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
            Ok(Rc::new(listener))
        };
        match listen() {
            Ok(listener) => Ok(AdminSocket { listener, path }),
            Err(why) => Err(AdminError::Listen { path, why }),
        }
    }

    /// Answers clients until the task is ended. Runs in a `LocalSet`.
    pub fn serve(&self, served: Served) -> impl Future<Output = ()> + use<> {
        let listener = Rc::clone(&self.listener);
        let served = Rc::new(served);
        async move {
            let clients = Rc::new(Cell::new(0));
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let place = Place::take(&clients);
                let served = Rc::clone(&served);
                tokio::task::spawn_local(async move {
                    // A client that is gone, or talks nonsense, is nobody's concern.
                    let _ = Client::new(stream).run(place, &served).await;
                });
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// One of the places for clients.
struct Place(Rc<Cell<usize>>);

impl Place {
    /// A place, if there is one left.
    fn take(clients: &Rc<Cell<usize>>) -> Option<Place> {
        (clients.get() < CLIENTS_MAX).then(|| {
            clients.set(clients.get() + 1);
            Place(Rc::clone(clients))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A connection from a client.
struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: tokio::net::unix::OwnedWriteHalf,
}

impl Client {
    fn new(stream: UnixStream) -> Client {
        let (reader, writer) = stream.into_split();
        Client { reader: BufReader::new(reader), writer }
    }

    async fn run(mut self, place: Option<Place>, served: &Served) -> io::Result<()> {
        self.say(&Hello { portolan: VERSION }).await?;
        if let Some(refusal) = self.refusal(place.is_none())? {
            return self.say(&Reply::Failed(refusal)).await;
        }
        let hello: Hello = timeout(GREETING_TIME, self.hear()).await??;
        if hello.portolan != VERSION {
            // It has our version, and says so.
            return Ok(());
        }
        loop {
            match timeout(IDLE_TIME, self.hear()).await? {
                Ok(Request::Join) if served.identity.stays() => {
                    drop(place);
                    let peer = unix::peer(self.writer.as_ref().as_fd())?;
                    let _joined = served.supervisors.join(peer.pid);
                    self.say(&Reply::Joined(served.variable.clone())).await?;
                    return self.stay().await;
                }
                Ok(request) => self.answer(request, served).await?,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let version = env!("CARGO_PKG_VERSION");
                    let said =
                        format!("no such request in portolan {version}, which runs this host: {error}");
                    return self.say(&Reply::Failed(said)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Why this client is not served, if it is not.
    fn refusal(&self, is_full: bool) -> io::Result<Option<String>> {
        let peer = unix::peer(self.writer.as_ref().as_fd())?;
        let own = rustix::process::geteuid().as_raw();
        Ok(if peer.uid != own && peer.uid != 0 {
            Some(format!("this host belongs to user {own}, and you are {}", peer.uid))
        } else if is_full {
            Some(format!("{CLIENTS_MAX} clients are being served already; try again"))
        } else {
            None
        })
    }

    async fn answer(&mut self, request: Request, served: &Served) -> io::Result<()> {
        let reply = match request {
            Request::Capture(filter) => return self.show_frames(filter, served).await,
            Request::Info => Reply::Info(served.info()),
            Request::Sockets => Reply::Sockets(served.sockets()),
            Request::Shape { up, down } => match served.set_shape(up, down) {
                Ok(shape) => Reply::Shape(shape),
                Err(error) => Reply::Failed(error.to_string()),
            },
            Request::Down if served.identity.stays() => {
                served.down.notify_one();
                Reply::Done
            }
            Request::Down => Reply::Failed(format!(
                "it belongs to a command and ends with it; end process {} instead",
                served.identity.pid
            )),
            Request::Join => Reply::Failed(
                "it belongs to one command; `portolan up NAME` starts a host for several".into(),
            ),
        };
        self.say(&reply).await
    }

    /// Sends frames until the client has had enough: it says so by the end of what it sends.
    async fn show_frames(&mut self, filter: Filter, served: &Served) -> io::Result<()> {
        self.say(&Reply::Done).await?;
        let keys = served.keys.as_deref();
        let mut watch = Watch::start(&served.host, &served.monitor, &served.identity.name, filter, keys);
        let (mut said, mut ended) = ([0; 64], served.ended.subscribe());
        loop {
            let blocks = tokio::select! {
                blocks = watch.next() => blocks,
                _ = ended.changed() => break,
                heard = self.reader.read(&mut said) => match heard? {
                    0 => break,
                    _ => continue,
                },
            };
            timeout(ANSWER_TIME, self.writer.write_all(&blocks)).await??;
        }
        let last = watch.finish(served.host.now());
        timeout(ANSWER_TIME, self.writer.write_all(&last)).await??;
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Waits until the client is gone; what it says meanwhile means nothing.
    async fn stay(&mut self) -> io::Result<()> {
        let mut octets = [0; 64];
        while self.reader.read(&mut octets).await? > 0 {}
        Ok(())
    }

    /// The next message: `UnexpectedEof` at the end, also within a line; `InvalidData` for one that is none or too
    /// long.
    async fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut received = Vec::new();
        (&mut self.reader).take(LINE_MAX).read_until(b'\n', &mut received).await?;
        match received.strip_suffix(b"\n") {
            Some(line) => serde_json::from_slice(line).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, crate::summary::escape(&error.to_string()))
            }),
            None if received.len() as u64 >= LINE_MAX => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"))
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    async fn say<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        timeout(ANSWER_TIME, self.writer.write_all(&line(message)?)).await?
    }
}

impl Served {
    /// Changes what is given, all or nothing, and says what holds then.
    fn set_shape(&self, up: Option<String>, down: Option<String>) -> Result<Shape, ImpairmentError> {
        let parse =
            |text: Option<String>, direction| text.map(|text| Schedule::parse(&text, direction)).transpose();
        let (up, down) = (parse(up, Direction::Up)?, parse(down, Direction::Down)?);
        if up.is_some() || down.is_some() {
            self.shape.set(up, down);
        }
        let [up, down] = self.shape.shown().map(|schedule| schedule.to_string());
        Ok(Shape { up, down })
    }

    fn info(&self) -> Info {
        Info {
            identity: self.identity.clone(),
            link: self.link.clone(),
            addresses: self.addresses.clone(),
            uptime_s: self.started.elapsed().as_secs(),
            settings: Some(Box::new(self.settings.clone())),
        }
    }

    fn sockets(&self) -> Vec<super::message::SocketRow> {
        let held = self.holdings.by_socket();
        let entries = self.host.with_stack(|stack, _| stack.inventory());
        let mut rows: Vec<_> =
            entries.iter().map(|entry| sockets::row(entry, entry.id.and_then(|id| held.get(&id)))).collect();
        if let Some(owners) = &self.seen_from_gateway {
            rows = rows.into_iter().filter_map(|row| sockets::from_the_other_end(row, owners)).collect();
        }
        let key = |row: &super::message::SocketRow| {
            let ip: IpAddr = row.local.ip();
            (row.protocol.clone(), row.local.port(), ip, row.peer)
        };
        rows.sort_by_cached_key(key);
        rows
    }
}
