//! Where the frames of a WebSocket begin and end (RFC 6455, section 5.2), so that a close frame can be put between two.

use std::num::NonZero;

/// The close frame that says that the server goes away (status 1001), as a server sends it: without a mask.
pub(crate) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// Follows one direction of a connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Bytes of the head that were seen, and what they say.
    head: [u8; 14],
    seen: usize,
    /// Bytes of the payload that are to come.
    payload: u64,
    /// Whether a close frame was among them, after which no other may come.
    closed: bool,
}

/// The kind of a close frame, in the low half of a frame's first byte.
const CLOSE: u8 = 0x8;

impl Frames {
    /// Takes the next bytes in.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if let Some(left) = NonZero::new(self.payload) {
                let taken = left.get().min(bytes.len() as u64);
                self.payload -= taken;
                bytes = bytes.get(usize::try_from(taken).unwrap_or(bytes.len())..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.seen) {
                *place = *first;
            }
            self.seen += 1;
            bytes = rest;
            if self.seen >= 2 && self.seen == self.head_length() {
                self.payload = self.payload_length();
                self.closed |= self.head[0] & 0x0f == CLOSE;
                self.seen = 0;
            }
        }
    }

    /// Whether the last frame was whole.
    pub(crate) fn is_between(&self) -> bool {
        self.seen == 0 && self.payload == 0
    }

    /// Whether a close frame has passed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn head_length(&self) -> usize {
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        2 + extended + mask
    }

    fn payload_length(&self) -> u64 {
        let [_, second, a, b, c, d, e, f, g, h, ..] = self.head;
        match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![0x82];
        match u16::try_from(length) {
            Ok(short) if short < 126 => bytes.push(mask | short as u8),
            Ok(middle) => {
                bytes.push(mask | 126);
                bytes.extend(middle.to_be_bytes());
            }
            Err(_) => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        bytes.resize(bytes.len() + length, b'x');
        bytes
    }

    proptest! {
        /// However the bytes are cut, it is between two frames exactly where one ends.
        #[test]
        fn ends_are_found(lengths in prop::collection::vec(prop_oneof![0..300_usize, 65_000..66_000_usize], 1..5),
                          masked in any::<bool>(), cut in 1..5_000_usize) {
            let (mut bytes, mut ends) = (Vec::new(), vec![0]);
            for length in lengths {
                bytes.extend(frame(length, masked));
                ends.push(bytes.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for piece in bytes.chunks(cut) {
                frames.pass(piece);
                at += piece.len();
                prop_assert_eq!(frames.is_between(), ends.contains(&at), "at {}", at);
            }
        }

        #[test]
        fn nothing_from_a_stranger_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::default();
            for piece in bytes.chunks(7) { frames.pass(piece); }
        }
    }

    #[test]
    fn our_own_close_frame_is_one() {
        let mut frames = Frames::default();
        frames.pass(&GOING_AWAY);
        assert!(frames.is_between());
    }
}
