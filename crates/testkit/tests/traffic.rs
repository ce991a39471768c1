//! The traffic generator itself, against servers that misbehave: one that counts nothing would let every scenario pass.
//! The servers write their bytes themselves, so that each misbehaves in exactly one way.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use testkit::traffic::{Kind, Options, Report, Traffic, missing, twice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Answers connections, each with its number, for as long as the test's process lives.
fn serve<F, S>(on_connection: S) -> SocketAddr
where
    S: Fn(TcpStream, u32) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a listener can wait");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("the runtime takes the listener");
            for number in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection is accepted");
                // A client that leaves is no error of the server.
                tokio::spawn(on_connection(stream, number));
            }
        });
    });
    address
}

/// One request's head and body, as text; an error when the client closed.
async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = Vec::new();
    loop {
        if let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = text[..head].lines().find_map(|line| line.strip_prefix("content-length: "));
            if request.len() >= head + 4 + length.map_or(0, |length| length.parse().expect("a length is a number")) {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Answers every request on a connection with the same bytes.
async fn answer_all(mut stream: TcpStream, answer: &str) -> io::Result<()> {
    loop {
        read_request(&mut stream).await?;
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Marks until a report satisfies; all reports up to then.
fn until(traffic: &Traffic, mut seen: impl FnMut(&Report) -> bool) -> Vec<Report> {
    let begun = Instant::now();
    let mut reports = Vec::new();
    loop {
        let report = traffic.mark();
        let enough = seen(&report);
        reports.push(report);
        if enough {
            return reports;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came: {reports:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn posting(rate: u32) -> Options {
    Options { events_path: None, ws_path: None, ..Options::fixture(rate) }
}

/// Only the stream, beside a few requests.
fn streaming() -> Options {
    Options { events_path: Some("/events".to_owned()), ..Options::get(10) }
}

/// Only the WebSocket, beside a few requests.
fn talking() -> Options {
    Options { ws_path: Some("/ws".to_owned()), ..Options::get(10) }
}

fn of(report: &Report, kind: Kind) -> Vec<&str> {
    report.failures.iter().filter(|failure| failure.kind == kind).map(|failure| failure.words.as_str()).collect()
}

/// Serves `/events` with these bytes and an end, and everything else well.
fn event_server(bytes: &'static str) -> SocketAddr {
    serve(move |mut stream, _| async move {
        loop {
            let request = read_request(&mut stream).await?;
            if request.starts_with("GET /events") {
                return stream.write_all(bytes.as_bytes()).await;
            }
            stream.write_all(OK.as_bytes()).await?;
        }
    })
}

/// Serves WebSockets as told, and everything else well.
fn socket_server<F, S>(on_socket: S) -> SocketAddr
where
    S: Fn(WebSocketStream<TcpStream>, u32) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let on_socket = Arc::new(on_socket);
    let sockets = Arc::new(AtomicU32::new(0));
    serve(move |stream, _| {
        let (on_socket, sockets) = (Arc::clone(&on_socket), Arc::clone(&sockets));
        async move {
            let mut start = [0; 7];
            while stream.peek(&mut start).await? < start.len() {}
            if &start == b"GET /ws" {
                let socket = accept_async(stream).await.map_err(io::Error::other)?;
                on_socket(socket, sockets.fetch_add(1, Ordering::Relaxed)).await;
                return Ok(());
            }
            answer_all(stream, OK).await
        }
    })
}

async fn echo(socket: &mut WebSocketStream<TcpStream>, texts: usize) {
    for _ in 0..texts {
        let Some(Ok(message)) = socket.next().await else { return };
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

#[test]
fn a_server_that_does_all_well_has_no_failures() {
    let address = serve(|stream, _| answer_all(stream, OK));
    let traffic = Traffic::start(address, posting(400));
    let mut acknowledged = Vec::new();
    let reports = until(&traffic, |report| {
        acknowledged.extend(report.acknowledged.clone());
        acknowledged.len() >= 20
    });
    let last = traffic.stop();
    acknowledged.extend(last.acknowledged.clone());
    let sent: u64 = reports.iter().chain([&last]).map(|report| report.sent).sum();
    let posted: usize = reports.iter().chain([&last]).map(|report| report.sent_ids.len()).sum();
    assert_eq!(last.in_flight, 0);
    assert_eq!(acknowledged.len(), posted, "every post is acknowledged");
    // Every fourth request is a post.
    assert_eq!(posted as u64, sent / 4);
    for report in reports.iter().chain([&last]) {
        assert_eq!((report.failed, report.sent), (0, report.answered), "{report}");
        assert_eq!(report.by_status.values().sum::<u64>(), report.answered);
    }
    let (one, all) = (&acknowledged[..1], acknowledged.join(" v1\n"));
    assert!(missing(&all, &acknowledged).is_empty() && twice(&all, &acknowledged).is_empty());
    assert_eq!(missing("", &acknowledged).len(), acknowledged.len());
    assert_eq!(twice(&format!("{all} v1\n{} v2", one[0]), &acknowledged), one);
}

#[test]
fn half_are_on_kept_connections_and_a_quarter_on_their_own() {
    let connections = Arc::new(AtomicU32::new(0));
    let accepted = Arc::clone(&connections);
    let address = serve(move |mut stream, _| {
        accepted.fetch_add(1, Ordering::Relaxed);
        async move {
            loop {
                let request = read_request(&mut stream).await?;
                stream.write_all(OK.as_bytes()).await?;
                if request.contains("connection: close") {
                    return Ok(());
                }
            }
        }
    });
    let traffic = Traffic::start(address, posting(400));
    let mut sent = 0;
    until(&traffic, |report| {
        sent += report.sent;
        sent >= 200
    });
    let report = traffic.stop();
    assert_eq!(report.failed, 0, "{report}");
    let connections = u64::from(connections.load(Ordering::Relaxed));
    let sent = sent + report.sent;
    assert!(connections >= sent / 4, "{connections} for {sent}");
    assert!(connections < sent / 2, "{connections} for {sent}");
}

#[test]
fn every_connection_that_is_dropped_is_a_failure() {
    let dropped = Arc::new(AtomicU32::new(0));
    let drops = Arc::clone(&dropped);
    // Reads the request and closes, on every tenth connection; then whatever is sent is lost.
    let address = serve(move |mut stream, number| {
        let drops = Arc::clone(&drops);
        async move {
            if number % 10 != 9 {
                return answer_all(stream, OK).await;
            }
            read_request(&mut stream).await?;
            drops.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    let traffic = Traffic::start(address, posting(400));
    let mut failed = 0;
    until(&traffic, |report| {
        failed += report.failed;
        failed >= 3
    });
    let report = traffic.stop();
    assert_eq!(failed + report.failed, u64::from(dropped.load(Ordering::Relaxed)), "{report}");
}

#[test]
fn a_post_that_is_dropped_on_a_kept_connection_is_a_failure_and_not_sent_again() {
    let posts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let received = Arc::clone(&posts);
    let address = serve(move |mut stream, _| {
        let received = Arc::clone(&received);
        async move {
            loop {
                let request = read_request(&mut stream).await?;
                if let Some((head, id)) = request.split_once("\r\n\r\n")
                    && head.starts_with("POST /add")
                {
                    received.lock().unwrap().push(format!("{id} v1"));
                    return Ok(());
                }
                stream.write_all(OK.as_bytes()).await?;
            }
        }
    });
    let traffic = Traffic::start(address, posting(400));
    let mut all = Vec::new();
    until(&traffic, |report| {
        all.extend(report.sent_ids.clone());
        assert_eq!(report.failed, report.sent_ids.len() as u64, "{report}");
        assert!(report.failures.iter().all(|failure| failure.kind == Kind::Post), "{report}");
        assert!(report.acknowledged.is_empty());
        all.len() >= 10
    });
    let report = traffic.stop();
    all.extend(report.sent_ids);
    let ledger = posts.lock().unwrap().join("\n");
    assert!(twice(&ledger, &all).is_empty() && missing(&ledger, &all).is_empty(), "{ledger}");
    assert_eq!(ledger.lines().count(), all.len());
}

#[test]
fn every_answer_that_is_no_success_is_a_failure_with_its_status() {
    for (status, number) in [("500 Internal Server Error", 500), ("404 Not Found", 404), ("302 Found", 302)] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\noops");
        let address = serve(move |stream, _| {
            let answer = answer.clone();
            async move { answer_all(stream, &answer).await }
        });
        let traffic = Traffic::start(address, posting(200));
        thread::sleep(Duration::from_millis(100));
        let report = traffic.stop();
        assert!(report.sent > 0 && report.sent == report.failed && report.sent == report.answered, "{report}");
        assert_eq!(report.by_status.get(&number), Some(&report.sent), "{report}");
        assert!(report.acknowledged.is_empty());
        assert!(report.failures.iter().all(|failure| failure.words == format!("answered {number}: oops")), "{report}");
    }
}

#[test]
fn an_answer_that_is_cut_never_comes_or_has_no_end_is_a_failure() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let endless = "HTTP/1.1 200 OK\r\n\r\nwas it all?";
    let garbage = "SSH-2.0-hello\r\n";
    for answer in [cut, chunk, endless, garbage, ""] {
        let address = serve(move |mut stream, _| async move {
            read_request(&mut stream).await?;
            stream.write_all(answer.as_bytes()).await?;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
            Ok(())
        });
        let traffic = Traffic::start(address, Options { timeout: Duration::from_millis(300), ..posting(100) });
        thread::sleep(Duration::from_millis(50));
        let report = traffic.stop();
        assert!(report.sent > 0, "{answer:?}: {report}");
        assert_eq!((report.failed, report.answered), (report.sent, 0), "{answer:?}: {report}");
    }
}

#[test]
fn nobody_there_is_a_failure_and_a_gap() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let traffic = Traffic::start(address, Options::fixture(200));
    thread::sleep(Duration::from_millis(200));
    let report = traffic.stop();
    // Every request, the event stream and the WebSocket.
    assert!(report.sent > 0 && report.failed >= report.sent + 2, "{report}");
    assert!(!of(&report, Kind::Events).is_empty() && !of(&report, Kind::Socket).is_empty(), "{report}");
    assert_eq!(report.answered, 0);
    assert!(report.longest_gap_ms >= 150.0, "{report}");
}

#[test]
fn kept_connections_that_are_closed_while_idle_are_no_failures() {
    // Every connection is closed a moment after an answer, long before the next request comes for it.
    let address = serve(|mut stream, _| async move {
        read_request(&mut stream).await?;
        stream.write_all(OK.as_bytes()).await?;
        sleep(Duration::from_millis(2)).await;
        Ok(())
    });
    let traffic = Traffic::start(address, posting(5));
    let mut closed = 0;
    until(&traffic, |report| {
        assert_eq!(report.failed, 0, "{report}");
        closed += report.idle_closed;
        closed >= 5
    });
    assert_eq!(traffic.stop().failed, 0);
}

#[test]
fn requests_are_due_also_while_none_is_answered_and_late_answers_count() {
    let address = serve(|mut stream, _| async move {
        read_request(&mut stream).await?;
        sleep(Duration::from_millis(400)).await;
        stream.write_all(OK.as_bytes()).await
    });
    let traffic = Traffic::start(address, posting(100));
    thread::sleep(Duration::from_millis(200));
    let early = traffic.mark();
    assert!(early.in_flight > 1, "{early}");
    let report = traffic.stop();
    assert_eq!((report.failed, report.in_flight), (0, 0), "{report}");
    assert!(report.answered >= early.in_flight, "{report}");
    assert!(report.requests_p50_ms >= 400.0 && report.longest_gap_ms >= 200.0, "{report}");
    assert!(report.slowest.as_ref().is_some_and(|slowest| slowest.ms >= report.requests_p99_ms), "{report}");
}

#[test]
fn a_stream_that_ends_well_is_opened_again_and_no_failure() {
    let bytes = format!("{STREAM}9\r\ndata: 1\n\n\r\n8\r\ndata: 2\n\r\n1\r\n\n\r\n0\r\n\r\n");
    let traffic = Traffic::start(event_server(bytes.leak()), streaming());
    let (mut reopened, mut events) = (0, 0);
    until(&traffic, |report| {
        assert_eq!(report.failed, 0, "{report}");
        reopened += report.stream_reopened;
        events += report.stream_events;
        reopened >= 3 && events >= 6
    });
    assert_eq!(traffic.stop().failed, 0);
}

#[test]
fn a_stream_that_is_cut_is_a_failure_every_time() {
    let in_event = format!("{STREAM}9\r\ndata: 1\n\n\r\n8\r\ndata: 2\n\r\n0\r\n\r\n");
    let in_line = format!("{STREAM}9\r\ndata: 1\n\n\r\n6\r\ndata: \r\n0\r\n\r\n");
    let in_body = format!("{STREAM}9\r\ndata: 1\n\n\r\n");
    let in_chunk = format!("{STREAM}9\r\ndata: 1");
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n".to_owned();
    let refused = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy".to_owned();
    let other = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi".to_owned();
    for bytes in [in_event, in_line, in_body, in_chunk, endless, refused, other] {
        let bytes: &'static str = bytes.leak();
        let traffic = Traffic::start(event_server(bytes), streaming());
        let (mut failed, mut reopened) = (0, 0);
        until(&traffic, |report| {
            assert_eq!(report.failed, of(report, Kind::Events).len() as u64, "{bytes:?}: {report}");
            failed += report.failed;
            reopened += report.stream_reopened;
            failed >= 2 && reopened >= 1
        });
        let report = traffic.stop();
        failed += report.failed;
        reopened += report.stream_reopened;
        assert!(failed == reopened || failed == reopened + 1, "{bytes:?}: {failed} failed, {reopened} reopened");
    }
}

#[test]
fn a_stream_that_falls_silent_is_a_failure() {
    let address = serve(|mut stream, _| async move {
        let request = read_request(&mut stream).await?;
        if !request.starts_with("GET /events") {
            stream.write_all(OK.as_bytes()).await?;
            return answer_all(stream, OK).await;
        }
        stream.write_all(format!("{STREAM}9\r\ndata: 1\n\n\r\n").as_bytes()).await?;
        std::future::pending().await
    });
    let traffic = Traffic::start(address, Options { timeout: Duration::from_millis(400), ..streaming() });
    until(&traffic, |report| of(report, Kind::Events).iter().any(|words| words.starts_with("silent")));
}

#[test]
fn a_socket_that_is_closed_well_is_opened_again_and_no_failure() {
    // Closes with an echo outstanding, which is no failure either.
    let address = socket_server(|mut socket, number| async move {
        echo(&mut socket, 1).await;
        let _ = socket.next().await;
        let code = [1000, 1001, 1012][number as usize % 3];
        let _ = socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await;
        while let Some(Ok(_)) = socket.next().await {}
    });
    let traffic = Traffic::start(address, talking());
    let (mut reopened, mut echoes) = (0, 0);
    until(&traffic, |report| {
        assert_eq!(report.failed, 0, "{report}");
        reopened += report.socket_reopened;
        echoes += report.socket_echoes;
        reopened >= 3 && echoes >= 3
    });
    assert_eq!(traffic.stop().failed, 0);
}

#[test]
fn a_socket_that_ends_without_a_close_frame_is_a_failure_every_time() {
    let address = socket_server(|mut socket, _| async move { echo(&mut socket, 1).await });
    let traffic = Traffic::start(address, talking());
    let mut failed = 0;
    until(&traffic, |report| {
        let words = of(report, Kind::Socket);
        assert_eq!(report.failed, words.len() as u64, "{report}");
        assert!(words.iter().all(|words| words.starts_with("ended without a close frame")), "{report}");
        failed += report.failed;
        failed >= 2
    });
}

#[test]
fn a_socket_that_is_closed_for_another_reason_is_a_failure() {
    for code in [Some(1011), Some(1008), Some(4000), None] {
        let address = socket_server(move |mut socket, _| async move {
            let frame = code.map(|code: u16| CloseFrame { code: code.into(), reason: "".into() });
            let _ = socket.close(frame).await;
            while let Some(Ok(_)) = socket.next().await {}
        });
        let traffic = Traffic::start(address, talking());
        until(&traffic, |report| of(report, Kind::Socket).iter().any(|words| words.starts_with("closed with ")));
    }
}

#[test]
fn an_echo_that_is_missing_or_wrong_is_a_failure() {
    let address = socket_server(|mut socket, _| async move {
        let mut number = 0;
        while let Some(Ok(message)) = socket.next().await {
            number += 1;
            // The third is swallowed, and the fifth comes back as something else.
            let answer = if number == 5 { Message::text("wrong") } else { message };
            if number != 3 && socket.send(answer).await.is_err() {
                return;
            }
        }
    });
    let traffic = Traffic::start(address, talking());
    let mut echoes = 0;
    until(&traffic, |report| {
        echoes += report.socket_echoes;
        assert_eq!(report.failed, 0, "{report}");
        echoes >= 4
    });
    // What is outstanding is waited for.
    let report = traffic.stop();
    let words = of(&report, Kind::Socket);
    assert_eq!((report.failed, words.len()), (1, 1), "{report}");
    assert!(words[0].contains("not back within") && words[0].starts_with("2 texts"), "{report}");
}

#[test]
fn an_answer_instead_of_an_upgrade_is_a_failure_with_its_status() {
    let address = serve(|stream, _| answer_all(stream, OK));
    let traffic = Traffic::start(address, talking());
    until(&traffic, |report| {
        of(report, Kind::Socket).iter().any(|words| words.starts_with("answered 200 instead of an upgrade"))
    });
}

#[test]
fn a_report_says_all_of_it_as_text_and_as_json() {
    let address = serve(|stream, _| answer_all(stream, "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops"));
    let traffic = Traffic::start(address, posting(200));
    thread::sleep(Duration::from_millis(100));
    let report = traffic.stop();
    let text = report.to_string();
    assert!(text.contains(&format!("{} x 500", report.sent)) && text.contains("answered 500: oops"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["failed"], report.sent);
    assert_eq!(json["by_status"]["500"], report.sent);
    assert_eq!(json["failures"][0]["kind"], "get");
    assert!(json.get("sent_ids").is_none() && json.get("acknowledged").is_none());
}
