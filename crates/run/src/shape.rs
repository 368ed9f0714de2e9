//! `portolan shape` and `portolan presets`: the wire's faults while a host runs, and those that have names.

use std::fmt::Write as _;

use portolan_sim::impair::{PRESETS, Preset};
use serde::Serialize;

use crate::admin::AdminError;
use crate::admin::client::Client;
use crate::admin::message::Shape;
use crate::summary::escape;

/// Changes what the named host's wire does, where it is given, from the next packet on; returns what it does then.
pub fn shape(name: &str, up: Option<String>, down: Option<String>) -> Result<Shape, AdminError> {
    Client::connect(name)?.shape(up, down)
}

/// Both directions, a line each.
pub fn render(shape: &Shape) -> String {
    format!("up:   {}\ndown: {}\n", escape(&shape.up), escape(&shape.down))
}

/// A preset, for JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PresetRow {
    /// What it is called.
    pub name: &'static str,
    /// What it is like.
    pub about: &'static str,
    /// Towards the user, in netem's words.
    pub down: &'static str,
    /// From the user.
    pub up: &'static str,
}

/// Every preset.
pub fn presets() -> Vec<PresetRow> {
    let row = |Preset { name, about, down, up }| PresetRow { name, about, down, up };
    PRESETS.into_iter().map(row).collect()
}

/// The presets as a table, every line ended.
pub fn render_presets(presets: &[PresetRow]) -> String {
    let mut out = String::new();
    for preset in presets {
        let _ = writeln!(out, "{:<10} {}", preset.name, preset.about);
        if preset.up == preset.down {
            let _ = writeln!(out, "{:<10}   both ways {}", "", preset.down);
        } else {
            let _ = writeln!(out, "{:<10}   down {}", "", preset.down);
            let _ = writeln!(out, "{:<10}   up   {}", "", preset.up);
        }
    }
    out
}
