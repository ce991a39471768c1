//! What an event stream tells its client, and how it is written on the wire.

use serde::Deserialize;
use uuid::Uuid;

use crate::todos::todo::Todo;

/// A change as the database's trigger announces it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Change {
    /// A todo was made or changed.
    Put { todo: Todo },
    /// Todos were deleted.
    Delete { ids: Vec<Uuid> },
    /// More changed than fits into an announcement; the list has to be read again.
    Reset,
}

/// What goes to every open event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Change(Change),
    /// Announcements may have been missed. The list is at this revision.
    Reset {
        revision: String,
    },
}

impl Change {
    /// Reads an announcement. One that a newer schema sends and nobody here understands is a change all the same.
    pub(crate) fn parse(payload: &str) -> Self {
        serde_json::from_str(payload).unwrap_or(Self::Reset)
    }
}

impl Event {
    /// The event's text; every `url` starts with the base.
    pub(crate) fn frame(&self, base: &str) -> Vec<u8> {
        let mut frame = Vec::with_capacity(256);
        match self {
            // The data is the list's ETag as the header has it, quotation marks included.
            Self::Reset { revision } => {
                frame.extend_from_slice(
                    format!("event: reset\ndata: {{\"revision\":\"\\\"{revision}\\\"\"}}").as_bytes(),
                );
            }
            Self::Change(change) => {
                frame.extend_from_slice(b"event: change\ndata: ");
                change.write_json(&mut frame, base);
            }
        }
        frame.extend_from_slice(b"\n\n");
        frame
    }
}

impl Change {
    fn write_json(&self, json: &mut Vec<u8>, base: &str) {
        match self {
            Self::Put { todo } => {
                json.extend_from_slice(br#"{"type":"put","todo":"#);
                todo.write_json(json, base);
                json.push(b'}');
            }
            Self::Delete { ids } => {
                json.extend_from_slice(br#"{"type":"delete","ids":"#);
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                // Writing to memory cannot fail.
                let _ = serde_json::to_writer(&mut *json, &ids);
                json.push(b'}');
            }
            Self::Reset => json.extend_from_slice(br#"{"type":"reset"}"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(event: &Event) -> String {
        String::from_utf8(event.frame("http://x")).unwrap()
    }

    #[test]
    fn a_put_is_passed_on_with_its_url() {
        let id = Uuid::nil();
        let payload = format!(
            r#"{{"type" : "put", "todo" : {{"id" : "{id}", "title" : "a\nb", "completed" : false, "order" : 7}}}}"#
        );
        assert_eq!(
            frame(&Event::Change(Change::parse(&payload))),
            format!(
                "event: change\ndata: {{\"type\":\"put\",\"todo\":{{\"id\":\"{id}\",\"title\":\"a\\nb\",\
                 \"completed\":false,\"order\":7,\"url\":\"http://x/todos/{id}\"}}}}\n\n"
            )
        );
    }

    #[test]
    fn deletions_and_resets_are_passed_on() {
        let change = Change::parse(&format!(r#"{{"type":"delete","ids":["{}"]}}"#, Uuid::nil()));
        let expected = format!("event: change\ndata: {{\"type\":\"delete\",\"ids\":[\"{}\"]}}\n\n", Uuid::nil());
        assert_eq!(frame(&Event::Change(change)), expected);
        assert_eq!(frame(&Event::Change(Change::Reset)), "event: change\ndata: {\"type\":\"reset\"}\n\n");
        let reset = frame(&Event::Reset { revision: "0-0".into() });
        assert_eq!(reset, "event: reset\ndata: {\"revision\":\"\\\"0-0\\\"\"}\n\n");
    }

    #[test]
    fn what_nobody_understands_is_a_reset() {
        assert_eq!(Change::parse(r#"{"type":"moved"}"#), Change::Reset);
        assert_eq!(Change::parse("?"), Change::Reset);
    }
}
