//! Engines: programs that no library can be loaded into, and that nothing reaches the machine's network.

#[allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
mod support;

use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::*;

const MINUTE: Duration = Duration::from_secs(60);

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine").join(name)
}

const ENGINES: [&str; 3] = ["preload", "seccomp", "auto"];

/// A program of `tests/engine`: static, unless it is to be loaded with the library.
fn build(folder: &Folder, name: &str) -> PathBuf {
    let program = folder.path().join(name);
    let output = program.to_str().unwrap();
    let (c, go) = (source(&format!("{name}.c")), source(&format!("{name}.go")));
    let mut command = if c.exists() {
        let mut gcc = Command::new("/usr/bin/gcc");
        let link = if matches!(name, "cancel" | "sandbox") { "-pthread" } else { "-static" };
        gcc.args([link, "-O1", "-Wall", "-Werror", "-o", output, c.to_str().unwrap()]);
        gcc
    } else {
        let mut compiler = Command::new("/usr/bin/go");
        compiler.args(["build", "-o", output, go.to_str().unwrap()]);
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
        compiler.env("CGO_ENABLED", "0").env("GO111MODULE", "off").env("GOCACHE", cache);
        compiler
    };
    let built = finish(&mut command, 5 * MINUTE);
    assert!(built.status.success(), "{}", text(&built.stderr));
    program
}

fn run(engine: &str, words: &[&str]) -> Output {
    let mut command = Command::new(built());
    command.args(["run", "--engine", engine]).args(words).stdin(Stdio::null());
    finish(&mut command, MINUTE)
}

#[test]
fn an_ordinary_users_program_that_cannot_be_looked_at_keeps_its_sockets() {
    if !root_or_skip() {
        return;
    }
    let program = fs::read_to_string(source("dumpable.py")).unwrap();
    for engine in ["preload", "auto"] {
        let folder = Folder::writable();
        let mut command = run_as_nobody(&["--quiet", "--engine", engine, "--", "python3", "-c", &program]);
        let output = finish(command.current_dir(folder.path()), MINUTE);
        let expected = "pair\nsendto sendmsg in parts connect\nstream\nnetwork\n";
        assert_eq!(text(&output.stdout), expected, "{engine}: {}", text(&output.stderr));
    }
}

/// Where no library is, what could lead out of the command's network is refused.
#[test]
fn an_ordinary_users_static_program_that_cannot_be_looked_at_keeps_what_leads_nowhere() {
    if !root_or_skip() {
        return;
    }
    let folder = Folder::writable();
    let program = build(&folder, "hidden");
    for engine in ["seccomp", "auto"] {
        let words = ["--quiet", "--link", "none", "--engine", engine, "--", program.to_str().unwrap()];
        let output = finish(&mut run_as_nobody(&words), MINUTE);
        let expected = "hide ok\nbind ok\nlisten ok\ngetsockname ok\nsocketpair ok\ngetsockopt ok\nsend ok\n\
                        recvmsg ok\nsendmsg EPERM\nshutdown ok\nconnect EPERM\n";
        assert_eq!(text(&output.stdout), expected, "{engine}: {}", text(&output.stderr));
        let told =
            text(&output.stderr).lines().filter(|line| line.contains("hides from other programs")).count();
        assert_eq!(told, 1, "{engine}: {}", text(&output.stderr));
    }
}

#[test]
fn a_program_that_forbids_itself_system_calls_dies_of_none_of_ours() {
    let folder = Folder::new();
    let program = build(&folder, "sandbox");
    for engine in ["preload", "auto"] {
        for way in ["prctl", "seccomp"] {
            let output = run(engine, &["--quiet", "--", program.to_str().unwrap(), way]);
            assert_eq!(text(&output.stdout), "pass\nping\npong\n", "{engine} {way}");
            assert_eq!(output.status.code(), Some(0), "{engine} {way}: {}", text(&output.stderr));
        }
        let output = run(engine, &["--quiet", "--", program.to_str().unwrap(), "exec"]);
        assert_eq!(text(&output.stdout), "executed\n", "{engine}: {}", text(&output.stderr));
    }
}

#[test]
fn a_static_go_program_serves_and_dials() {
    let folder = Folder::new();
    let program = build(&folder, "go");
    let output = run("seccomp", &["--", program.to_str().unwrap(), "portolan.internal"]);
    let expected =
        "tcp4 50\ntcp6 50\nudp 100\ndial tcp 127.0.0.1:9: connect: connection refused\npage 1048576\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("engine seccomp"), "{}", text(&output.stderr));
}

#[test]
fn a_static_go_program_serves_http2_over_tls_to_itself() {
    let folder = Folder::new();
    let program = build(&folder, "http2");
    let output = run("auto", &["--", program.to_str().unwrap()]);
    assert_eq!(text(&output.stdout), "HTTP/2 50 on 1\nfile 50\n", "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("engine preload+seccomp"), "{}", text(&output.stderr));
}

/// glibc's getaddrinfo asks the servers of resolv.conf by calls that no library can stand in front of.
#[test]
fn the_c_librarys_own_resolver_asks_over_the_commands_network() {
    for link in ["egress", "none"] {
        let curl = ["--link", link, "--", "curl", "-sS", "http://portolan.internal/bytes/1M"];
        let output = run("seccomp", &curl);
        assert_eq!(output.stdout.len(), 1 << 20, "{link}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(":53/udp"), "{link}: {}", text(&output.stderr));
    }
}

#[test]
fn n13_nothing_reaches_the_machines_network() {
    let folder = Folder::new();
    let program = build(&folder, "escape");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let datagrams = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let port = port.to_string();
    for engine in ["seccomp", "auto"] {
        let output = run(engine, &["--link", "none", "--quiet", "--", program.to_str().unwrap(), &port]);
        let expected = "tcp ECONNREFUSED\npacket EAFNOSUPPORT\nvsock EAFNOSUPPORT\nxdp EAFNOSUPPORT\nsmc EAFNOSUPPORT\n\
                    netfilter EPROTONOSUPPORT\nio_uring ENOSYS\nx32 ENOSYS\nint80 ENOSYS\nnscd ENOENT\ntcp ECONNREFUSED\n";
        assert_eq!(text(&output.stdout), expected, "{engine}: {}", text(&output.stderr));
    }
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "a connection");
    assert_eq!(datagrams.recv(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock, "a datagram");
    // The witness can see: without us the same program reaches it.
    let free = finish(Command::new(&program).arg(&port), MINUTE);
    assert!(text(&free.stdout).starts_with("tcp ok\n"), "{}", text(&free.stdout));
    listener.accept().unwrap();
    datagrams.recv(&mut [0; 16]).unwrap();
}

/// A command that is static, or that starts something static, is attached all the same.
#[test]
fn auto_attaches_what_the_loader_cannot() {
    let folder = Folder::new();
    let program = build(&folder, "escape");
    let script = format!("{} 9", program.display());
    for words in [&["--", program.to_str().unwrap(), "9"][..], &["--", "env", "-i", "sh", "-c", &script]] {
        let output = run("auto", &[&["--link", "none"], words].concat());
        assert!(text(&output.stdout).starts_with("tcp ECONNREFUSED\npacket"), "{words:?}: {output:?}");
        assert!(text(&output.stderr).contains("engine preload+seccomp"), "{}", text(&output.stderr));
    }
    let refused = run("preload", &["--", program.to_str().unwrap(), "9"]);
    assert_eq!(refused.status.code(), Some(125));
    assert!(text(&refused.stderr).contains("statically linked"), "{}", text(&refused.stderr));
}

/// getifaddrs and ioctl would tell of the machine's.
#[test]
fn interfaces_are_the_commands_own() {
    for engine in ["seccomp", "auto"] {
        let output = run(engine, &["--link", "none", "--quiet", "--", "ip", "addr"]);
        let (told, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(stderr.is_empty(), "{engine}: {stderr}");
        let names: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(names.len(), 2, "{told}");
        assert!(
            told.contains("inet 127.0.0.1/8 scope host lo") && told.contains("inet 10.0.2.15/24"),
            "{told}"
        );
        let changed = run(engine, &["--link", "none", "--quiet", "--", "ip", "link", "set", "lo", "down"]);
        assert!(text(&changed.stderr).contains("Operation not permitted"), "{changed:?}");
        let tunnel = ["--", "ip", "tunnel", "add", "t0", "mode", "gre", "remote", "169.254.0.254"];
        let added = run(engine, &[&["--link", "none", "--quiet"], &tunnel[..]].concat());
        assert!(text(&added.stderr).contains("\"gre0\" failed: No such device"), "{added:?}");
    }
}

#[test]
fn threads_can_be_cancelled_while_they_wait() {
    let folder = Folder::new();
    let program = build(&folder, "cancel");
    for engine in ENGINES {
        let output = run(engine, &["--link", "none", "--quiet", "--", program.to_str().unwrap()]);
        assert_eq!(text(&output.stdout), "recv cleaned\n1\naccept cleaned\n1\n", "{engine}: {output:?}");
    }
}

#[test]
fn a_run_inside_a_run_is_refused() {
    for engine in ENGINES {
        let inner = built().to_str().unwrap();
        for clean in [&[][..], &["env", "-i"]] {
            if engine == "preload" && !clean.is_empty() {
                // Nothing is left of the outer run there.
                continue;
            }
            let words = [&["--link", "none", "--quiet", "--"], clean, &[inner, "run", "--", "true"]].concat();
            let output = run(engine, &words);
            assert_eq!(output.status.code(), Some(125), "{engine} {clean:?}: {output:?}");
            assert!(text(&output.stderr).contains("do not nest"), "{}", text(&output.stderr));
        }
    }
}
