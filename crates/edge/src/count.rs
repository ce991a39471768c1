//! How many of something there are on one core, and when there are fewer.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Count {
    now: Cell<usize>,
    fewer: Notify,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct One(Rc<Count>);

impl Count {
    pub(crate) fn one(self: &Rc<Self>) -> One {
        self.now.set(self.now.get() + 1);
        One(Rc::clone(self))
    }

    pub(crate) fn now(&self) -> usize {
        self.now.get()
    }

    pub(crate) fn is_none(&self) -> bool {
        self.now.get() == 0
    }

    /// Completes when there are fewer than this.
    pub(crate) async fn below(&self, limit: usize) {
        while self.now.get() >= limit {
            self.fewer.notified().await;
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
        self.0.fewer.notify_one();
    }
}
