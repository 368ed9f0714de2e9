//! A stage for programs: a host with nothing but loopback, its control server, and the preload library.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portolan::Host;
use portolan_protocol::reply::LookUpFailure;
use portolan_protocol::{Family, Rendezvous, Secret, SocketId, environment};
use portolan_run::control::{ControlConfig, ControlServer, Found, LookUp, Names};

/// What a program may take before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The preload library, built once.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "-p", "portolan-preload"])
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the preload library does not build");
        let test = std::env::current_exe().unwrap();
        // target/debug/deps/<test>: the library stands beside deps.
        test.parent().unwrap().parent().unwrap().join("libportolan_preload.so")
    })
}

/// A C program of `tests/programs`, compiled once per test binary and name.
pub(crate) fn program(name: &str) -> PathBuf {
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    if !out.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/programs/{name}.c"));
        let compiled =
            Command::new("cc").args(["-O1", "-w", "-o"]).arg(&out).arg(source).status().expect("cc runs");
        assert!(compiled.success(), "{name}.c does not compile");
    }
    out
}

struct TestNames;

impl Names for TestNames {
    fn by_name<'a>(
        &'a self,
        name: &'a [u8],
        family: Option<Family>,
        _only_configured: bool,
        _asker: Option<u32>,
    ) -> LookUp<'a, Found> {
        Box::pin(async move {
            let all: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            let addresses: Vec<IpAddr> = match name {
                b"localhost" | b"here.example" => all.to_vec(),
                b"six.example" => vec![Ipv6Addr::LOCALHOST.into()],
                b"slow.example" => return Err(LookUpFailure::TryAgain),
                _ => return Err(LookUpFailure::NotFound),
            };
            let fits = |address: &IpAddr| match family {
                None => true,
                Some(Family::V4) => address.is_ipv4(),
                Some(Family::V6) => address.is_ipv6(),
            };
            let addresses: Vec<_> = addresses.into_iter().filter(fits).collect();
            if addresses.is_empty() {
                return Err(LookUpFailure::NoData);
            }
            let canonical =
                if name == b"here.example" { "canonical.example".to_owned() } else { String::new() };
            Ok(Found { canonical, addresses })
        })
    }

    fn by_address(&self, address: IpAddr) -> LookUp<'_, String> {
        Box::pin(async move {
            if address.is_loopback() { Ok("localhost".to_owned()) } else { Err(LookUpFailure::NotFound) }
        })
    }
}

/// A running stack process, on a thread of the test.
pub(crate) struct Stage {
    rendezvous: Rendezvous,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_reserved_ports(0)
    }

    /// One where ports below `unprivileged_port_start` are root's.
    pub(crate) fn with_reserved_ports(unprivileged_port_start: u16) -> Self {
        let rendezvous = Rendezvous { id: SocketId(random()), secret: Secret(random()) };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let config = ControlConfig {
                    supervisors: Rc::default(),
                    listening: tokio::sync::watch::Sender::new(()),
                    rendezvous,
                    unprivileged_port_start,
                    hostname: None,
                    names: Rc::new(TestNames),
                    counters: Arc::default(),
                    owners: Arc::default(),
                };
                let (host, worker) = Host::builder().build().unwrap();
                let server = ControlServer::bind(config, host).unwrap();
                ready.send(()).unwrap();
                tokio::select! {
                    failed = server.serve() => panic!("the control server ended: {failed:?}"),
                    ended = worker.run() => panic!("the worker ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self { rendezvous, stop: Some(stop), thread: Some(thread) }
    }

    /// Where its control server listens.
    pub(crate) fn rendezvous(&self) -> Rendezvous {
        self.rendezvous
    }

    /// A command that will run on the stack.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", library())
            .env(environment::STACK, std::str::from_utf8(&self.rendezvous.to_text()).unwrap());
        command
    }

    /// Ends the stack process while programs may still use it.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

fn random() -> [u8; 16] {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).unwrap();
    octets
}

/// Runs a command to its end; one that does not end is killed, and the test fails.
pub(crate) fn finish(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            kill(id);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watchdog.join().unwrap();
    output
}

/// Kills a process of the test.
pub(crate) fn kill(id: u32) {
    if let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Tries until it succeeds; fails after ten seconds.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> io::Result<T>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(10), "{what}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
