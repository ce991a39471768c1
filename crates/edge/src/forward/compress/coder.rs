//! The compressors of one core. A compressor is some 300 KiB of memory that takes longer to prepare than a page takes to
//! compress, so they are kept for the next answer.
//!
//! Levels are low: the next one costs a third more CPU for a few bytes in a hundred.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

use super::Coding;

/// Compressors that are kept for the next answer: more were needed only in a burst.
const MOST_IDLE: usize = 8;

const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 1;

/// The window of both in bits: what gzip can have at most, and enough for zstd, whose memory depends on it.
const GZIP_WINDOW: u8 = 15;
const ZSTD_WINDOW: u32 = 17;

/// Room that is made for what comes out.
const ROOM_BYTES: usize = 8 * 1024;

/// The compressors of one core.
#[derive(Debug, Default)]
pub(crate) struct Coders {
    idle: RefCell<Vec<Machine>>,
    now: Cell<usize>,
}

/// A compressor, as long as an answer needs it.
#[derive(Debug)]
pub(crate) struct Coder {
    machine: Option<Machine>,
    home: Rc<Coders>,
}

enum Machine {
    Gzip(Box<Compress>),
    Zstd(Encoder<'static>),
}

/// What is to be done with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// They may wait in the compressor.
    Take,
    /// All of them come out, so that they can be read.
    Flush,
    /// They are the last.
    Finish,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.coding().name())
    }
}

impl Coders {
    /// A compressor; none where there are as many at work as may be.
    pub(super) fn take(self: &Rc<Self>, coding: Coding, most: usize) -> Option<Coder> {
        if self.now.get() >= most {
            return None;
        }
        let mut idle = self.idle.borrow_mut();
        let found = idle.iter().rposition(|machine| machine.coding() == coding).map(|at| idle.swap_remove(at));
        let machine = found.map_or_else(|| Machine::new(coding).ok(), Some)?;
        self.now.set(self.now.get() + 1);
        Some(Coder { machine: Some(machine), home: Rc::clone(self) })
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        self.home.now.set(self.home.now.get() - 1);
        let ready = self.machine.take().and_then(Machine::ready_again);
        let mut idle = self.home.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.extend(ready);
        }
    }
}

impl Coder {
    /// Compresses these bytes onto the end of `out`.
    pub(super) fn push(&mut self, bytes: &[u8], push: Push, out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.machine {
            Some(Machine::Gzip(machine)) => gzip(machine, bytes, push, out),
            Some(Machine::Zstd(machine)) => zstd(machine, bytes, push, out),
            None => Ok(()),
        }
    }
}

impl Machine {
    fn new(coding: Coding) -> io::Result<Self> {
        match coding {
            Coding::Gzip => Ok(Self::Gzip(Box::new(Compress::new_gzip(Compression::new(GZIP_LEVEL), GZIP_WINDOW)))),
            Coding::Zstd => {
                let mut encoder = Encoder::new(ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW))?;
                Ok(Self::Zstd(encoder))
            }
        }
    }

    fn coding(&self) -> Coding {
        match self {
            Self::Gzip(_) => Coding::Gzip,
            Self::Zstd(_) => Coding::Zstd,
        }
    }

    /// Forgets what it has, which may be half an answer of somebody's.
    fn ready_again(mut self) -> Option<Self> {
        match &mut self {
            Self::Gzip(machine) => machine.reset(),
            Self::Zstd(machine) => machine.reinit().ok()?,
        }
        Some(self)
    }
}

fn gzip(machine: &mut Compress, mut bytes: &[u8], push: Push, out: &mut Vec<u8>) -> io::Result<()> {
    let flush = match push {
        Push::Take => FlushCompress::None,
        Push::Flush => FlushCompress::Sync,
        Push::Finish => FlushCompress::Finish,
    };
    loop {
        out.reserve(ROOM_BYTES);
        let before = machine.total_in();
        let status = machine.compress_vec(bytes, out, flush)?;
        let taken = usize::try_from(machine.total_in() - before).unwrap_or(bytes.len());
        bytes = bytes.get(taken..).unwrap_or_default();
        let has_more = match push {
            Push::Take => !bytes.is_empty(),
            // Where there is room left, nothing waits for some.
            Push::Flush => !bytes.is_empty() || out.len() == out.capacity(),
            Push::Finish => status != Status::StreamEnd,
        };
        if !has_more {
            return Ok(());
        }
    }
}

fn zstd(machine: &mut Encoder<'static>, bytes: &[u8], push: Push, out: &mut Vec<u8>) -> io::Result<()> {
    let mut input = InBuffer::around(bytes);
    while input.pos() < bytes.len() {
        let _ = step(out, |room| machine.run(&mut input, room))?;
    }
    loop {
        let left = match push {
            Push::Take => 0,
            Push::Flush => step(out, |room| machine.flush(room))?,
            Push::Finish => step(out, |room| machine.finish(room, true))?,
        };
        if left == 0 {
            return Ok(());
        }
    }
}

/// One call, which appends to what is there.
fn step(
    out: &mut Vec<u8>,
    mut call: impl FnMut(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
) -> io::Result<usize> {
    out.reserve(ROOM_BYTES);
    let from = out.len();
    call(&mut OutBuffer::around_pos(out, from))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    /// What comes out again, as far as it goes.
    pub(in super::super) fn inflated(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let _ = match coding {
            Coding::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out),
            Coding::Zstd => zstd::stream::read::Decoder::new(bytes).expect("a decoder").read_to_end(&mut out),
        };
        out
    }

    fn coding() -> impl Strategy<Value = Coding> {
        prop_oneof![Just(Coding::Gzip), Just(Coding::Zstd)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// However it is cut and flushed, what went in comes out, and after a flush all of it so far.
        #[test]
        fn what_goes_in_comes_out(
            coding in coding(),
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40_000), any::<bool>()), 0..6),
        ) {
            let coders = Rc::new(Coders::default());
            // The second one has been used before.
            for _ in 0..2 {
                let mut coder = coders.take(coding, 1).expect("a compressor");
                let (mut whole, mut out) = (Vec::<u8>::new(), Vec::new());
                for (piece, flush) in &pieces {
                    whole.extend(piece);
                    coder.push(piece, if *flush { Push::Flush } else { Push::Take }, &mut out).expect("it is taken");
                    if *flush { prop_assert_eq!(&inflated(coding, &out), &whole); }
                }
                coder.push(&[], Push::Finish, &mut out).expect("it is finished");
                prop_assert_eq!(inflated(coding, &out), whole);
            }
        }
    }

    #[test]
    fn half_an_answer_is_not_in_the_next_one() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let coders = Rc::new(Coders::default());
            let mut first = coders.take(coding, 1).expect("a compressor");
            first.push(b"a secret of somebody's", Push::Take, &mut Vec::new()).expect("it is taken");
            assert!(coders.take(coding, 1).is_none(), "there is one at work already");
            drop(first);
            let mut out = Vec::new();
            coders
                .take(coding, 1)
                .expect("a compressor")
                .push(b"other", Push::Finish, &mut out)
                .expect("it is finished");
            assert_eq!(inflated(coding, &out), b"other");
        }
    }
}
