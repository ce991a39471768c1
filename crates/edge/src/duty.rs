//! Whether this edge is the one that accepts, or stands by since another one does.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The time from taking the duty up until it is given away. Cancelled at its end: what lasts is to be ended then.
pub(crate) type Shift = CancellationToken;

/// On duty from the beginning.
#[derive(Debug)]
pub struct Duty {
    shift: watch::Sender<Option<Shift>>,
    changing: Mutex<()>,
}

impl Default for Duty {
    fn default() -> Self {
        Self { shift: watch::Sender::new(Some(Shift::new())), changing: Mutex::new(()) }
    }
}

impl Duty {
    /// Whether it accepts.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.shift.borrow().is_some()
    }

    /// The shift now, and each change of it; none while another edge is on duty.
    #[must_use]
    pub(crate) fn shifts(&self) -> watch::Receiver<Option<Shift>> {
        self.shift.subscribe()
    }

    /// Another edge accepts from now on. Requests end as when the edge leaves.
    pub fn stand_down(&self) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shift) = self.shift.send_replace(None) {
            shift.cancel();
        }
    }

    /// The other edge is gone: this one accepts again.
    pub fn take_up(&self) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_on() {
            self.shift.send_replace(Some(Shift::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In whichever order others come and go: the last word counts, and every shift that ended is cancelled.
        #[test]
        fn it_is_on_as_it_was_told_last(orders in prop::collection::vec(any::<bool>(), 0..20)) {
            let duty = Duty::default();
            let mut shifts = vec![duty.shifts().borrow().clone().expect("on from the beginning")];
            for up in &orders {
                if *up { duty.take_up() } else { duty.stand_down() }
                shifts.extend(duty.shifts().borrow().clone());
            }
            prop_assert_eq!(duty.is_on(), orders.last().copied().unwrap_or(true));
            let last = shifts.last().expect("there is one").is_cancelled();
            prop_assert_eq!(last, !duty.is_on());
            prop_assert!(shifts.iter().filter(|shift| !shift.is_cancelled()).count() > 0 || !duty.is_on());
        }
    }
}
