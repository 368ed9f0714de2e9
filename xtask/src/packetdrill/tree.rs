//! The working tree of a run: copies of the scripts, and the programs that they find first in their PATH.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The programs of scripts that are ours.
const PROGRAMS: &[&str] =
    &["sysctl", "ip", "tc", "ethtool", "nstat", "ss", "sockstat", "grep", "set_sysctls.py"];

/// Scripts name this one by its path; what stands there finds ours in PATH.
const WRAPPER: &str = "#!/bin/sh\nexec set_sysctls.py \"$@\"\n";

/// The tree, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// Where cargo puts what it builds.
    built: PathBuf,
}

impl Tree {
    /// Copies the scripts, and the folder `common` beside their folder, which some of them use.
    pub(super) fn new(scripts: &Path) -> io::Result<Tree> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let built = fs::canonicalize(target)?.join("debug");
        let root = std::env::temp_dir().join(format!("portolan-packetdrill-{}", std::process::id()));
        let tree = Tree { root, built };
        copy(scripts, &tree.root.join("tcp"))?;
        let beside = scripts.parent().map(|parent| parent.join("common")).filter(|common| common.is_dir());
        if let Some(common) = beside {
            copy(&common, &tree.root.join("common"))?;
        }
        fs::create_dir_all(tree.root.join("bin"))?;
        for name in PROGRAMS {
            symlink(tree.built.join("portolan-knob"), tree.root.join("bin").join(name))?;
        }
        Ok(tree)
    }

    /// The scripts, as paths below the scripts' folder, in order.
    pub(super) fn scripts(&self) -> io::Result<Vec<String>> {
        let (top, mut found, mut folders) = (self.root.join("tcp"), Vec::new(), Vec::new());
        folders.push(top.clone());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "pkt")
                    && let Ok(name) = path.strip_prefix(&top)
                {
                    found.push(name.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Where a script lies.
    pub(super) fn path(&self, script: &str) -> PathBuf {
        self.root.join("tcp").join(script)
    }

    /// The library to be loaded.
    pub(super) fn library(&self) -> PathBuf {
        self.built.join("libportolan_script.so")
    }

    /// PATH with our programs first.
    pub(super) fn path_variable(&self) -> String {
        format!("{}:{}", self.root.join("bin").display(), std::env::var("PATH").unwrap_or_default())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What cannot be removed lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Copies a folder with all below it; `set_sysctls.py` is ours everywhere.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, goal) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &goal)?;
        } else if entry.file_name() == "set_sysctls.py" {
            fs::write(&goal, WRAPPER)?;
            fs::set_permissions(&goal, fs::Permissions::from_mode(0o755))?;
        } else {
            fs::copy(&path, &goal)?;
        }
    }
    Ok(())
}
