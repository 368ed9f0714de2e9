//! DNS over TCP (RFC 7766), as it goes by a link: which queries leave, and which answers come.
//!
//! Each connection to a name server is followed from its SYN on, both ways, as a stream of messages with their lengths in
//! front. What the host sends arrives here in order, since this is the first step of its way; a segment with a gap before
//! it is dropped and comes again. What the server sends may be out of order, and then waits. A query that may not be asked
//! ends its connection: the host gets the answer and a FIN in the server's name, and nothing more of it leaves. The octets
//! of a query that is not complete yet do leave, since TCP would send nothing behind them; a server makes nothing of them.
//!
//! Memory is bounded by [`CONVERSATIONS_MAX`]; a connection that was forgotten is reset by its next octet. Start reading in
//! [`Conversations::hear`].

use std::collections::VecDeque;

use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;

use super::known::Flow;
use super::packet::Packet;

/// Connections that are followed; then the oldest is forgotten.
const CONVERSATIONS_MAX: usize = 64;
/// Octets of a query; real ones have some hundred.
const QUERY_MAX: usize = 4096;
/// Octets of an answer (RFC 1035 §4.2.2).
const ANSWER_MAX: usize = 65_535;
/// Octets that are kept of what has come too early, and the segments that hold them.
const EARLY_MAX: usize = 128 * 1024;
const EARLY_SEGMENTS_MAX: usize = 64;

/// The connections to name servers.
#[derive(Debug, Default)]
pub(super) struct Conversations(VecDeque<Conversation>);

/// What a segment of the host says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// These queries are complete now; often none.
    Queries(Vec<Vec<u8>>),
    /// It must not leave, and comes again if it matters: something before it is missing, or all is over.
    Early,
    /// It must not leave, because something else was refused: this is the answer to it.
    Refused(Vec<u8>),
    /// Nobody knows what it belongs to, or it is no DNS.
    Nonsense,
}

#[derive(Debug)]
struct Conversation {
    flow: Flow,
    asked: Stream,
    /// From the server's SYN on; `None` also when it cannot be followed any more.
    answered: Option<Stream>,
    /// The answer to a query that may not be asked: the conversation is over.
    refusal: Option<Vec<u8>>,
}

impl Conversations {
    /// Takes a segment of the host.
    pub(super) fn hear(&mut self, flow: Flow, packet: &Packet<'_>) -> Said {
        if packet.flags.contains(Flags::SYN) {
            // Fast Open: no answer of ours would fit in front of the handshake, and without text it comes again.
            if !packet.text.is_empty() {
                return Said::Early;
            }
            self.begin(flow, packet.seq + 1);
            return Said::Queries(Vec::new());
        }
        let Some(conversation) = self.find(flow) else {
            return if packet.text.is_empty() { Said::Queries(Vec::new()) } else { Said::Nonsense };
        };
        if let Some(refusal) = &conversation.refusal {
            return match (packet.flags.contains(Flags::FIN), packet.text.is_empty()) {
                (true, _) => Said::Nonsense,
                (false, true) => Said::Early,
                (false, false) => Said::Refused(refusal.clone()),
            };
        }
        match conversation.asked.fresh(packet.seq, packet.text) {
            None => Said::Early,
            Some(text) => conversation.asked.messages(text).map_or(Said::Nonsense, Said::Queries),
        }
    }

    /// What the host is told from now on, whatever it says.
    pub(super) fn refuse(&mut self, flow: Flow, answer: Vec<u8>) {
        if let Some(conversation) = self.find(flow) {
            conversation.refusal = Some(answer);
        }
    }

    /// Takes a segment of the server: the answers that are complete now.
    pub(super) fn answers(&mut self, flow: Flow, packet: &Packet<'_>) -> Vec<Vec<u8>> {
        let Some(conversation) = self.find(flow) else { return Vec::new() };
        if packet.flags.contains(Flags::SYN) {
            conversation.answered.get_or_insert_with(|| Stream::new(packet.seq + 1, ANSWER_MAX));
            return Vec::new();
        }
        let Some(stream) = &mut conversation.answered else { return Vec::new() };
        let messages = stream.take(packet.seq, packet.text);
        if messages.is_none() {
            conversation.answered = None;
        }
        messages.unwrap_or_default()
    }

    fn begin(&mut self, flow: Flow, first: SeqNumber) {
        if self.find(flow).is_some_and(|known| known.asked.begins_at == first) {
            return;
        }
        self.0.retain(|known| known.flow != flow);
        if self.0.len() >= CONVERSATIONS_MAX {
            self.0.pop_front();
        }
        let asked = Stream::new(first, QUERY_MAX);
        self.0.push_back(Conversation { flow, asked, answered: None, refusal: None });
    }

    fn find(&mut self, flow: Flow) -> Option<&mut Conversation> {
        self.0.iter_mut().find(|known| known.flow == flow)
    }
}

/// One direction of a connection.
#[derive(Debug)]
struct Stream {
    begins_at: SeqNumber,
    /// The first octet that was not seen yet.
    next: SeqNumber,
    /// The front of a message, with its length.
    begun: Vec<u8>,
    message_max: usize,
    early: Vec<(SeqNumber, Vec<u8>)>,
}

impl Stream {
    fn new(first: SeqNumber, message_max: usize) -> Stream {
        Stream { begins_at: first, next: first, begun: Vec::new(), message_max, early: Vec::new() }
    }

    /// What is new in a segment; `None` if something before it is missing.
    fn fresh<'a>(&mut self, seq: SeqNumber, text: &'a [u8]) -> Option<&'a [u8]> {
        let seen = usize::try_from(self.next.since(seq)?).ok()?;
        let fresh = text.get(seen..).unwrap_or_default();
        self.next += u32::try_from(fresh.len()).ok()?;
        Some(fresh)
    }

    /// The messages that end in `text`; `None` if one is longer than it may be.
    fn messages(&mut self, text: &[u8]) -> Option<Vec<Vec<u8>>> {
        self.begun.extend_from_slice(text);
        let mut messages = Vec::new();
        let mut rest = self.begun.as_slice();
        while let Some((len, behind)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes(*len));
            if len > self.message_max {
                return None;
            }
            let Some((message, behind)) = behind.split_at_checked(len) else { break };
            messages.push(message.to_vec());
            rest = behind;
        }
        self.begun = rest.to_vec();
        Some(messages)
    }

    /// The messages that are complete with this segment, which may come out of order; `None` when they cannot be told any
    /// more.
    fn take(&mut self, seq: SeqNumber, text: &[u8]) -> Option<Vec<Vec<u8>>> {
        let Some(fresh) = self.fresh(seq, text) else {
            let waiting: usize = self.early.iter().map(|(_, text)| text.len()).sum();
            let has_room = self.early.len() < EARLY_SEGMENTS_MAX && waiting + text.len() <= EARLY_MAX;
            if has_room && !text.is_empty() {
                self.early.push((seq, text.to_vec()));
            }
            return has_room.then(Vec::new);
        };
        let mut messages = self.messages(fresh)?;
        // What waited may follow now, in whatever order it came.
        while let Some(at) = self.early.iter().position(|(seq, _)| self.next.at_or_after(*seq)) {
            let (seq, text) = self.early.swap_remove(at);
            let fresh = self.fresh(seq, &text)?;
            messages.extend(self.messages(fresh)?);
        }
        Some(messages)
    }
}

#[cfg(test)]
mod tests;
