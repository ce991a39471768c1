//! Where everything that happens is written down, from the traffic's thread, and from which the test's thread takes
//! reports.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::report::{Failure, Kind, Report, Slowest};

/// Enough to see what is wrong; the rest of an outage says the same again.
const FAILURES_KEPT: usize = 50;

/// Everything since the last mark.
#[derive(Debug)]
pub(super) struct Book {
    start: Instant,
    page: Mutex<Page>,
}

#[derive(Debug)]
struct Page {
    report: Report,
    /// Of every whole answer.
    latencies: Vec<Duration>,
    slowest: Option<(Duration, Instant, Kind)>,
    longest_gap: Duration,
    sent_late: Duration,
    /// The start of the gap that is open.
    last_success: Instant,
    /// From then on, that nothing is answered says nothing.
    sending_ended: Option<Instant>,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) due: Instant,
    /// Of a post.
    pub(super) id: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The start of its body, for people.
    pub(super) text: String,
}

/// What may happen any number of times and is no failure.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    IdleClosed,
    StreamEvents(u64),
    StreamReopened,
    SocketEcho,
    SocketReopened,
}

impl Book {
    pub(super) fn new() -> Self {
        let start = Instant::now();
        let page = Page {
            report: Report::default(),
            latencies: Vec::new(),
            slowest: None,
            longest_gap: Duration::ZERO,
            sent_late: Duration::ZERO,
            last_success: start,
            sending_ended: None,
        };
        Self { start, page: Mutex::new(page) }
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// A request leaves.
    pub(super) fn sent(&self, kind: Kind, due: Instant, id: Option<String>) -> Sent {
        let mut page = self.page();
        page.report.in_flight += 1;
        page.sent_late = page.sent_late.max(due.elapsed());
        Sent { kind, due, id }
    }

    /// A request has ended.
    pub(super) fn ended(&self, sent: Sent, outcome: Result<Answer, String>) {
        let now = Instant::now();
        let mut page = self.page();
        page.report.in_flight -= 1;
        page.report.sent += 1;
        page.report.sent_ids.extend(sent.id.clone());
        match outcome {
            Ok(answer) => self.answered(&mut page, now, sent, &answer),
            Err(words) => self.failure(&mut page, now, sent.kind, words),
        }
    }

    /// The event stream or the WebSocket failed.
    pub(super) fn failed(&self, kind: Kind, words: String) {
        self.failure(&mut self.page(), Instant::now(), kind, words);
    }

    pub(super) fn happened(&self, event: Event) {
        let report = &mut self.page().report;
        match event {
            Event::IdleClosed => report.idle_closed += 1,
            Event::StreamEvents(events) => report.stream_events += events,
            Event::StreamReopened => report.stream_reopened += 1,
            Event::SocketEcho => report.socket_echoes += 1,
            Event::SocketReopened => report.socket_reopened += 1,
        }
    }

    /// No more requests are sent.
    pub(super) fn sending_ended(&self) {
        self.page().sending_ended = Some(Instant::now());
    }

    /// The report of this page, and a new page.
    pub(super) fn mark(&self) -> Report {
        let mut page = self.page();
        // A gap that is still open counts as far as it goes: where nothing is answered any more, no answer ends it.
        page.close_gap(Instant::now());
        let in_flight = page.report.in_flight;
        let mut report = std::mem::replace(&mut page.report, Report { in_flight, ..Report::default() });
        let mut latencies = std::mem::take(&mut page.latencies);
        latencies.sort_unstable();
        report.requests_p50_ms = ms(percentile(&latencies, 50));
        report.requests_p99_ms = ms(percentile(&latencies, 99));
        let slowest = page.slowest.take();
        report.slowest = slowest.map(|(took, due, kind)| Slowest { ms: ms(took), at_ms: self.at_ms(due), kind });
        report.longest_gap_ms = ms(std::mem::take(&mut page.longest_gap));
        report.sent_late_ms = ms(std::mem::take(&mut page.sent_late));
        report
    }

    fn answered(&self, page: &mut Page, now: Instant, sent: Sent, answer: &Answer) {
        let took = now.duration_since(sent.due);
        page.report.answered += 1;
        *page.report.by_status.entry(answer.status).or_default() += 1;
        page.latencies.push(took);
        if page.slowest.is_none_or(|(slowest, ..)| took > slowest) {
            page.slowest = Some((took, sent.due, sent.kind));
        }
        if (200..300).contains(&answer.status) {
            page.report.acknowledged.extend(sent.id);
            page.close_gap(now);
            page.last_success = now;
        } else {
            let words = format!("answered {}: {}", answer.status, answer.text);
            self.failure(page, now, sent.kind, words);
        }
    }

    fn failure(&self, page: &mut Page, now: Instant, kind: Kind, words: String) {
        page.report.failed += 1;
        if page.report.failures.len() < FAILURES_KEPT {
            page.report.failures.push(Failure { at_ms: self.at_ms(now), kind, words });
        }
    }

    fn at_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        // Numbers are true also where their thread has panicked, and its panic is passed on by `stop`.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    fn close_gap(&mut self, now: Instant) {
        let end = self.sending_ended.map_or(now, |ended| ended.min(now));
        self.longest_gap = self.longest_gap.max(end.saturating_duration_since(self.last_success));
    }
}

/// The nearest rank; nothing of nothing.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// To the microsecond: finer is noise.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Result<Answer, String> {
        Ok(Answer { status, text: String::new() })
    }

    #[test]
    fn a_request_counts_in_the_report_in_which_it_ends() {
        let book = Book::new();
        let first = book.sent(Kind::Get, Instant::now(), None);
        let second = book.sent(Kind::Post, Instant::now(), Some("a".to_owned()));
        book.ended(first, answer(200));
        let report = book.mark();
        assert_eq!((report.sent, report.answered, report.in_flight), (1, 1, 1));
        assert!(report.sent_ids.is_empty());
        book.ended(second, answer(201));
        let report = book.mark();
        assert_eq!((report.sent, report.answered, report.in_flight), (1, 1, 0));
        assert_eq!((report.sent_ids, report.acknowledged), (vec!["a".to_owned()], vec!["a".to_owned()]));
        assert_eq!(book.mark().sent, 0);
    }

    #[test]
    fn every_failure_counts_and_the_first_are_kept() {
        let book = Book::new();
        for _ in 0..60 {
            let sent = book.sent(Kind::Post, Instant::now(), Some("a".to_owned()));
            book.ended(sent, answer(304));
        }
        book.failed(Kind::Socket, "cut".to_owned());
        let report = book.mark();
        assert_eq!((report.sent, report.answered, report.failed), (60, 60, 61));
        assert_eq!(report.failures.len(), FAILURES_KEPT);
        assert!(report.acknowledged.is_empty());
        assert!(report.to_string().contains("and 11 more"), "{report}");
        assert_eq!(book.mark().failed, 0);
    }

    #[test]
    fn a_gap_counts_also_while_it_is_open_and_across_marks() {
        let book = Book::new();
        std::thread::sleep(Duration::from_millis(2));
        assert!(book.mark().longest_gap_ms >= 2.0);
        std::thread::sleep(Duration::from_millis(2));
        let sent = book.sent(Kind::Get, Instant::now(), None);
        book.ended(sent, answer(200));
        assert!(book.mark().longest_gap_ms >= 4.0);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
