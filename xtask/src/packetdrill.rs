//! `cargo xtask packetdrill`: runs packet scripts under the real packetdrill, with this stack loaded into it.
//!
//! Neither packetdrill nor its scripts are part of this repository. The scripts are copied to a working tree of the
//! run's own, where `set_sysctls.py` and the programs that scripts call are ours (`portolan-knob`), so that they reach
//! the knobs of the stack and not those of the machine. Each script runs once: over IPv4, or over IPv6 if its name says
//! that it is for IPv6 only.

mod compare;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::step;
use tree::Tree;

/// A script that takes longer hangs: the slowest takes a second.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the result of a run over all folders goes.
const RESULT: &str = "docs/data/packetdrill.csv";

/// The variants of packetdrill's own runner.
const IPV4: &[&str] = &[
    "--ip_version=ipv4",
    "--local_ip=192.168.0.1",
    "--gateway_ip=192.168.0.1",
    "--netmask_ip=255.255.0.0",
    "--remote_ip=192.0.2.1",
    "-DTFO_COOKIE=3021b9d889017eeb",
    "-DCODE=host_unreachable",
    "-DCMSG_LEVEL_IP=SOL_IP",
    "-DCMSG_TYPE_RECVERR=IP_RECVERR",
];
const IPV6: &[&str] = &[
    "--ip_version=ipv6",
    "--mtu=1520",
    "--local_ip=fd3d:0a0b:17d6::1",
    "--gateway_ip=fd3d:0a0b:17d6:8888::1",
    "--remote_ip=fd3d:fa7b:d17d::1",
    "-DTFO_COOKIE=c1d1e9742a47a9bc",
    "-DCMSG_LEVEL_IP=SOL_IPV6",
    "-DCMSG_TYPE_RECVERR=IPV6_RECVERR",
];

/// The options that are addresses.
const ADDRESSES: &[&str] = &["--local_ip=", "--gateway_ip=", "--remote_ip="];

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    binary: PathBuf,
    scripts: PathBuf,
    folder: Option<String>,
    jobs: usize,
    expect: Option<usize>,
    compare: bool,
}

/// A script and what came of it: nothing, or the first line of what packetdrill complained about.
#[derive(Debug)]
struct Verdict {
    script: String,
    complaint: Option<String>,
}

pub(crate) fn main(words: impl Iterator<Item = String>) -> ExitCode {
    match options(words).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: packetdrill: {error}");
            ExitCode::from(2)
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut binary, mut scripts, mut folder, mut jobs, mut expect) = (None, None, None, 2, None);
    let mut compare = false;
    while let Some(word) = words.next() {
        if word == "--compare" {
            compare = true;
            continue;
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{word} needs a number, not '{value}'"));
        match word.as_str() {
            "--binary" => binary = Some(PathBuf::from(value)),
            "--scripts" => scripts = Some(PathBuf::from(value)),
            "--folder" => folder = Some(value),
            "--jobs" => jobs = number()?,
            "--expect" => expect = Some(number()?),
            other => return Err(format!("unknown word '{other}'")),
        }
    }
    let absolute = |path: Option<PathBuf>, name| {
        let path: PathBuf = path.ok_or(format!("{name} is missing"))?;
        fs::canonicalize(&path).map_err(|error| format!("{name} {}: {error}", path.display()))
    };
    let (binary, scripts) = (absolute(binary, "--binary")?, absolute(scripts, "--scripts")?);
    Ok(Options { binary, scripts, folder, jobs, expect, compare })
}

/// Runs all scripts; whether as many passed as were expected and, if that was asked, the interpreter agreed.
fn run(options: &Options) -> Result<bool, String> {
    if !step::cargo(&["build", "--quiet", "-p", "portolan-script"], &[]).good() {
        return Err(String::from("portolan-script does not build"));
    }
    let tree = Tree::new(&options.scripts).map_err(|error| format!("the working tree: {error}"))?;
    let mut scripts = tree.scripts().map_err(|error| format!("{}: {error}", options.scripts.display()))?;
    if let Some(folder) = &options.folder {
        let folder = folder.trim_matches('/');
        let folder = folder.strip_prefix("tcp/").unwrap_or(folder);
        scripts.retain(|script| script.starts_with(folder));
    }
    let verdicts = judge_all(options, &tree, &scripts);
    report(&verdicts);
    if options.folder.is_none() {
        record(&verdicts, &options.scripts).map_err(|error| format!("{RESULT}: {error}"))?;
    }
    let passed = verdicts.iter().filter(|verdict| verdict.complaint.is_none()).count();
    let agreed = !options.compare || compare::compare(&tree, &verdicts)?;
    Ok(agreed && options.expect.is_none_or(|expected| passed >= expected))
}

/// Runs the scripts in as many threads as there are jobs, and gives the verdicts in the scripts' order.
fn judge_all(options: &Options, tree: &Tree, scripts: &[String]) -> Vec<Verdict> {
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some((at, script)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    scripts.get(at).map(|script| (at, script))
                } {
                    let complaint = judge(&options.binary, tree, script).err();
                    if let Ok(mut verdicts) = verdicts.lock() {
                        verdicts.insert(at, Verdict { script: script.clone(), complaint });
                    }
                }
            });
        }
    });
    verdicts.into_inner().map(|verdicts| verdicts.into_values().collect()).unwrap_or_default()
}

/// Runs one script; the error is the first line that packetdrill complains with.
fn judge(binary: &Path, tree: &Tree, script: &str) -> Result<(), String> {
    let path = tree.path(script);
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let (variant, mut flags) = if script.ends_with("v6.pkt") {
        (IPV6, String::from("mtu=1520"))
    } else {
        (IPV4, String::from("mtu=1500"))
    };
    // The command line would overrule the script, and some scripts are about their addresses: one that sets an address
    // has packetdrill's own for the others.
    let sets = |name: &str| text.lines().any(|line| line.trim().starts_with(name));
    let sets_address = ADDRESSES.iter().any(|name| sets(name));
    let set_by_script = |option: &str| {
        let name = option.split_inclusive('=').next().unwrap_or(option);
        name.ends_with('=') && sets(name) || sets_address && ADDRESSES.contains(&name)
    };
    let variant = variant.iter().filter(|option| !set_by_script(option));
    // packetdrill tells the library nothing of its options, and the library chooses the source of a connect.
    if let Some(address) = text.lines().find_map(|line| line.trim().strip_prefix("--local_ip=")) {
        flags += &format!(",local_ip={}", address.trim());
    }
    let output = tempfile(&tree.path(&format!("{script}.out"))).map_err(|error| error.to_string())?;
    let errors = output.try_clone().map_err(|error| error.to_string())?;
    let mut child = shelled(binary)
        .arg("--send_omit_free")
        .args(variant)
        .arg(format!("--so_filename={}", tree.library().display()))
        .arg(format!("--so_flags={flags}"))
        .arg(path.file_name().unwrap_or_default())
        .current_dir(path.parent().unwrap_or(Path::new(".")))
        .env("PATH", tree.path_variable())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let pid = child.id();
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break Some(status),
            None if begun.elapsed() > TIMEOUT => {
                // It may have ended by itself meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    // Scripts leave it where packetdrill's own runner does.
    let _ = fs::remove_file(format!("/tmp/sysctl_restore_{pid}.sh"));
    match status {
        Some(status) if status.success() => Ok(()),
        Some(_) => {
            Err(complaint(&fs::read_to_string(tree.path(&format!("{script}.out"))).unwrap_or_default()))
        }
        None => Err(format!("not done after {} s", TIMEOUT.as_secs())),
    }
}

/// The command that runs `binary` with a /bin/sh that is bash, as on the systems that the scripts are written for: where
/// `&>` begins a background job instead, what follows races with the script. If it cannot be had, /bin/sh is what it is.
fn shelled(binary: &Path) -> Command {
    static CAN_BIND: OnceLock<bool> = OnceLock::new();
    let wrapped = |inner: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "/bin/bash", "-c", &format!("mount --bind /bin/bash /bin/sh && {inner}")]);
        command
    };
    let tries = || wrapped("true").stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if !*CAN_BIND.get_or_init(tries) {
        return Command::new(binary);
    }
    let mut command = wrapped("exec \"$0\" \"$@\"");
    command.arg(binary);
    command
}

fn tempfile(path: &Path) -> std::io::Result<fs::File> {
    fs::OpenOptions::new().create(true).write(true).truncate(true).read(true).open(path)
}

/// The line that says what went wrong: the first, and for an assertion of Python the assertion with its values.
fn complaint(output: &str) -> String {
    let mut lines = output.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.clone().find(|line| line.contains(".pkt:")).or_else(|| lines.next()) else {
        return String::from("no word of complaint");
    };
    let asserted = output.lines().map(str::trim).find(|line| line.starts_with("assert "));
    let error = output.lines().map(str::trim).find(|line| line.contains("Error: "));
    let parts = [Some(first), asserted, error];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The folder of a script: all but its name.
fn folder(script: &str) -> &str {
    script.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Prints the counts by folder, then what failed.
fn report(verdicts: &[Verdict]) {
    let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for verdict in verdicts {
        let (passed, all) = folders.entry(folder(&verdict.script)).or_default();
        *passed += usize::from(verdict.complaint.is_none());
        *all += 1;
    }
    for (folder, (passed, all)) in &folders {
        println!("{folder:28} {passed:3} of {all:3}");
    }
    for verdict in verdicts {
        if let Some(complaint) = &verdict.complaint {
            println!("failed: {}: {complaint}", verdict.script);
        }
    }
    let passed: usize = folders.values().map(|(passed, _)| passed).sum();
    println!("{passed} of {} scripts pass", verdicts.len());
}

/// Writes the result for docs/conformance.md: the commit first, then one line per script.
fn record(verdicts: &[Verdict], scripts: &Path) -> std::io::Result<()> {
    let output = Command::new("git").arg("-C").arg(scripts).args(["rev-parse", "HEAD"]).output();
    let commit = output.ok().filter(|output| output.status.success());
    let commit = commit
        .map_or(String::from("unknown"), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let commit = std::env::var("PACKETDRILL_COMMIT").unwrap_or(commit);
    let mut text = format!("# packetdrill {commit}\nfolder,script,result,reason\n");
    for verdict in verdicts {
        let name = verdict.script.rsplit('/').next().unwrap_or(&verdict.script);
        let (result, reason) = match &verdict.complaint {
            None => ("pass", String::new()),
            Some(complaint) => ("fail", complaint.replace('"', "'")),
        };
        text += &format!("{},{name},{result},\"{reason}\"\n", folder(&verdict.script));
    }
    if let Some(parent) = Path::new(RESULT).parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(RESULT, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaint_is_the_line_that_names_the_script() {
        let output = "\nsh: 1: noise\na.pkt:7: error handling packet: bad\nscript packet: x\n";
        assert_eq!(complaint(output), "a.pkt:7: error handling packet: bad");
        let output = "a.pkt:3: error in Python code\nTraceback:\n  assert x == 1, x\nAssertionError: 2\n";
        assert_eq!(complaint(output), "a.pkt:3: error in Python code; assert x == 1, x; AssertionError: 2");
        assert_eq!(complaint(""), "no word of complaint");
    }

    #[test]
    fn words_are_checked() {
        let parse = |words: &[&str]| options(words.iter().map(ToString::to_string)).map(|_| ());
        assert_eq!(parse(&["--binary", "/bin/true"]), Err("--scripts is missing".into()));
        assert_eq!(parse(&["--jobs", "two"]), Err("--jobs needs a number, not 'two'".into()));
        assert_eq!(parse(&["--binary", "/bin/true", "--scripts", "/tmp"]), Ok(()));
    }
}
