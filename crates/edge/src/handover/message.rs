//! What the two edges say to each other: a line of JSON each, the answer to the first with the sockets beside it.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::Listening;

/// Raised when an older edge would not understand. Another version is not guessed at: the two serve side by side then.
pub(super) const VERSION: u32 = 1;

/// The kernel passes 253 descriptors at once; an edge has a few for each core.
const MOST_SOCKETS: usize = 200;

/// The longest line: a name for each socket.
const LONGEST_LINE: usize = 16 * 1024;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Message {
    /// The taker asks for the sockets.
    Give { version: u32 },
    /// The giver passes them, in the order of these names.
    Sockets { names: Vec<String> },
    /// The giver passes none, and why.
    Refused { why: String },
    /// The taker accepts from them.
    Serving,
    /// The giver accepts no more.
    StoodDown,
    /// An edge that stood down before asks to be kept informed: it takes over when the connection ends.
    StandBy { version: u32 },
    /// It will be.
    Noted,
}

pub(super) fn say(stream: &mut UnixStream, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// The next line. The end of the connection is an error.
pub(super) fn hear(stream: &mut UnixStream) -> io::Result<Message> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST_LINE {
        stream.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            return Ok(serde_json::from_slice(&line)?);
        }
        line.push(byte[0]);
    }
    Err(io::Error::other("the line is too long"))
}

/// Passes the sockets, with their names.
pub(super) fn pass(stream: &UnixStream, sockets: &[Listening]) -> io::Result<()> {
    if sockets.len() > MOST_SOCKETS {
        return Err(io::Error::other(format!("{} sockets are more than {MOST_SOCKETS}", sockets.len())));
    }
    let names = sockets.iter().map(|listening| listening.name.clone()).collect();
    let mut line = serde_json::to_vec(&Message::Sockets { names })?;
    line.push(b'\n');
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|listening| listening.socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("the sockets find no room in the message"));
    }
    let sent = sendmsg(stream, &[IoSlice::new(&line)], &mut beside, SendFlags::NOSIGNAL)?;
    // The descriptors go with the first byte; the rest of the line is plain.
    let mut stream = stream;
    stream.write_all(&line[sent..])
}

/// Takes the sockets; they are blocking or not as they were passed.
pub(super) fn receive(stream: &mut UnixStream) -> io::Result<Vec<Listening>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut line = vec![0; LONGEST_LINE];
    let got = recvmsg(&*stream, &mut [IoSliceMut::new(&mut line)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    line.truncate(got.bytes);
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() > LONGEST_LINE {
            return Err(io::Error::other("the line is too long"));
        }
    }
    match serde_json::from_slice(&line)? {
        Message::Sockets { names } if names.len() == descriptors.len() => Ok(names
            .into_iter()
            .zip(descriptors)
            .map(|(name, descriptor)| Listening { name, socket: TcpListener::from(descriptor) })
            .collect()),
        Message::Refused { why } => Err(io::Error::other(why)),
        _ => Err(io::Error::other("it passes other sockets than it names")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sockets_arrive_under_their_names() {
        let (mut here, there) = UnixStream::pair().expect("a pair");
        let listen =
            |name: &str| Listening { name: name.to_owned(), socket: TcpListener::bind("127.0.0.1:0").expect("a port") };
        let sockets = [listen("http"), listen("http"), listen("tls")];
        pass(&there, &sockets).expect("they are passed");
        let received = receive(&mut here).expect("they arrive");
        let seen = |all: &[Listening]| {
            let one = |listening: &Listening| (listening.name.clone(), listening.socket.local_addr().expect("one"));
            all.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(seen(&received), seen(&sockets));
    }

    #[test]
    fn what_is_refused_says_why() {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        say(&mut there, &Message::Refused { why: "it leaves".to_owned() }).expect("it is said");
        assert_eq!(receive(&mut here).expect_err("none").to_string(), "it leaves");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for hears in [true, false] {
                let (mut here, mut there) = UnixStream::pair().expect("a pair");
                there.write_all(&bytes).expect("they are written");
                drop(there);
                if hears { let _ = hear(&mut here); } else { let _ = receive(&mut here); }
            }
        }
    }
}
