//! `--compare`: the interpreter's verdicts beside packetdrill's. Where they differ, one of the two is wrong about what
//! a script says: the interpreter, unless it can be shown to be the other.

use std::process::{Command, Stdio};

use super::Verdict;
use super::tree::Tree;

/// Runs every script by the interpreter as well and prints where the verdicts differ; whether none does.
pub(super) fn compare(tree: &Tree, verdicts: &[Verdict]) -> Result<bool, String> {
    let mut differing = 0;
    for verdict in verdicts {
        let complaint = interpret(tree, &verdict.script)?;
        match (&verdict.complaint, complaint) {
            (None, Some(complaint)) => println!("only packetdrill passes: {complaint}"),
            (Some(complaint), None) => {
                println!("only the interpreter passes: {}: {complaint}", verdict.script);
            }
            _ => continue,
        }
        differing += 1;
    }
    println!("{differing} of {} verdicts differ", verdicts.len());
    Ok(differing == 0)
}

/// What the interpreter complains about, if it does.
fn interpret(tree: &Tree, script: &str) -> Result<Option<String>, String> {
    let (variant, cookie) = if script.ends_with("v6.pkt") {
        ("ipv6", "TFO_COOKIE=c1d1e9742a47a9bc")
    } else {
        ("ipv4", "TFO_COOKIE=3021b9d889017eeb")
    };
    let program = tree.library().with_file_name("portolan-script");
    let output = Command::new(&program)
        .args(["--variant", variant, "-D", cookie])
        .arg(tree.path(script))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = text.lines().find(|line| line.contains(".pkt:")).unwrap_or_default();
    Ok((!output.status.success()).then(|| complaint.to_owned()))
}
