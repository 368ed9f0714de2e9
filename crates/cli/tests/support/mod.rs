//! What the tests of the whole program share: the binary as a stranger would have it, an ordinary user to run it as,
//! network namespaces, and real servers.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A folder that goes away with the value, readable by everybody.
pub struct Folder(PathBuf);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Folder {
    pub fn new() -> Folder {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portolan-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }

    /// A folder in which any user may write.
    pub fn writable() -> Folder {
        let folder = Folder::new();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        folder
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, octets).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program as cargo built it.
pub fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portolan"))
}

/// What the names of [`installed`]'s folders begin with; a process number follows.
const COPY_PREFIX: &str = "portolan-installed-";

/// Removes the copies that test processes have left, which have ended since.
fn remove_old_copies() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(COPY_PREFIX));
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A copy of the program, and of the library beside it if there is one, where an ordinary user may read it.
pub fn installed() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        remove_old_copies();
        let folder = std::env::temp_dir().join(format!("{COPY_PREFIX}{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let library = built().with_file_name("libportolan_preload.so");
        for from in [built(), &library] {
            if from.exists() {
                fs::copy(from, folder.join(from.file_name().unwrap())).unwrap();
            }
        }
        folder.join("portolan")
    })
}

/// Whether a test that needs root may run. Without root it fails, unless it was agreed to leave such tests out.
pub fn root_or_skip() -> bool {
    let root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0;
    assert!(
        root || std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some(),
        "this test needs root; set PORTOLAN_ALLOW_MISSING=1 to leave it out"
    );
    root
}

/// The size that a heavy test uses: the whole one in a full run, else the short one.
pub fn full_or(short: u64, full: u64) -> u64 {
    if std::env::var_os("PORTOLAN_FULL").is_some() { full } else { short }
}

/// `portolan run WORDS` as the user `nobody`, who has no home.
pub fn run_as_nobody(words: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(installed()).arg("run");
    command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command.stdin(Stdio::null());
    command
}

/// What a command printed and how it ended, within a time limit after which it is killed and the test fails.
pub fn finish(command: &mut Command, limit: Duration) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish_child(child, limit)
}

/// The same for a child that runs already.
pub fn finish_child(mut child: Child, limit: Duration) -> Output {
    let drain = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut octets = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut octets);
            }
            octets
        })
    };
    let stdout = drain(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = drain(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = wait(&mut child, limit);
    let output = |status| Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
    match status {
        Some(status) => output(status),
        None => {
            let _ = child.kill();
            let output = output(child.wait().unwrap());
            panic!("not finished after {limit:?}; stderr so far: {}", text(&output.stderr));
        }
    }
}

/// Waits for a child, at most `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

pub fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Runs a command that must succeed.
pub fn must(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Octet `at` of what `/bytes/SIZE` serves.
pub fn octet(at: u64) -> u8 {
    ((at.wrapping_mul(167).wrapping_add(at >> 8)) % 256) as u8
}

/// Octets that no protocol is likely to produce by mistake.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut octets = Vec::with_capacity(len + 8);
    while octets.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(len);
    octets
}

/// A child that is killed when the test ends.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's `python3 -m http.server` on the host's loopback, serving `folder`.
pub fn python_server(folder: &Path) -> (Guard, u16) {
    let port = free_port();
    let child = Command::new("/usr/bin/python3")
        .args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let guard = Guard(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(Duration::from_secs(10), || TcpStream::connect(address).is_ok());
    (guard, port)
}

/// A port of the host's loopback that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something holds; fails the test if it does not within `limit`.
pub fn eventually(limit: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "did not come to hold within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A network namespace with a TAP in it; the kernel's end has `10.7.0.1/24` and `fd07::1/64`.
pub struct Namespace(String);

static NAMESPACES: AtomicU32 = AtomicU32::new(0);

impl Namespace {
    pub fn with_tap() -> Namespace {
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace(format!("ptl{}-{number}", std::process::id()));
        let name = namespace.0.as_str();
        must(&["ip", "netns", "add", name]);
        must(&["ip", "-n", name, "link", "set", "lo", "up"]);
        must(&["ip", "-n", name, "tuntap", "add", "dev", "tap0", "mode", "tap", "vnet_hdr"]);
        must(&["ip", "-n", name, "addr", "add", "10.7.0.1/24", "dev", "tap0"]);
        must(&["ip", "-n", name, "addr", "add", "fd07::1/64", "dev", "tap0", "nodad"]);
        must(&["ip", "-n", name, "link", "set", "tap0", "up"]);
        namespace
    }

    /// Its name, as `ip netns` has it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A command inside the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program).stdin(Stdio::null());
        command
    }

    /// `portolan run --link tap:tap0` with both addresses inside the namespace; the command follows.
    pub fn portolan(&self, words: &[&str]) -> Command {
        let mut command = self.command(installed());
        command.args(["run", "--link", "tap:tap0", "--address", "10.7.0.2/24", "--address", "fd07::2/64"]);
        command.args(words);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// The processes whose parent is `parent`.
pub fn children(parent: u32) -> Vec<u32> {
    let listing = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    listing.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Sends a signal by its name.
pub fn signal(process: u32, name: &str) {
    must(&["kill", "-s", name, &process.to_string()]);
}
