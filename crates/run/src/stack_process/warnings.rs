//! What the library warns of, as lines for the user: the stack process has no standard error of its own, so that they go
//! to the supervisor, which says them.

use std::fmt::{Debug, Write};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines that wait for the supervisor; more are lost.
const WAITING_MAX: usize = 16;

/// Hears the warnings of this process from now on; the lines come out of the channel.
pub(super) fn hear() -> Receiver<String> {
    let (lines, receiver) = channel(WAITING_MAX);
    // Fails where somebody listens already, which in this process nobody does.
    let _ = tracing::subscriber::set_global_default(Warnings { lines });
    receiver
}

struct Warnings {
    lines: Sender<String>,
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN && metadata.target().starts_with("portolan")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let _ = self.lines.try_send(line.text());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One event: its message, and its fields as `name value`.
#[derive(Debug, Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn text(self) -> String {
        if self.fields.is_empty() { self.message } else { format!("{} ({})", self.message, self.fields) }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let (text, name) = match field.name() {
            "message" => (&mut self.message, None),
            name => (&mut self.fields, Some(name)),
        };
        if !text.is_empty() {
            text.push_str(", ");
        }
        // Writing to a String cannot fail.
        let _ = match name {
            Some(name) => write!(text, "{name} {value:?}"),
            None => write!(text, "{value:?}"),
        };
    }
}

#[cfg(test)]
mod tests;
