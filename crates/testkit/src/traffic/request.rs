//! One request, from when it is due to the end of its answer.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::StatusCode;
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, Response, header};
use tokio::time::timeout;
use uuid::Uuid;

use super::book::Answer;
use super::connection::{self, Connection, Outgoing, chain};
use super::generate::Client;
use super::report::Kind;

/// So much of an answer's body is shown where it is a failure.
const SHOWN_BYTES: usize = 120;

/// What the request with this number is: half are of the first kind, a quarter each of the others.
pub(super) fn kind(number: u32, posts: bool) -> Kind {
    match number % 4 {
        1 => Kind::GetOnce,
        3 if posts => Kind::Post,
        _ => Kind::Get,
    }
}

/// Makes the request and writes down what came of it.
pub(super) async fn make(client: Rc<Client>, kind: Kind, due: Instant) {
    let id = (kind == Kind::Post).then(|| Uuid::new_v4().to_string());
    let request = compose(&client, kind, id.as_deref());
    let sent = client.book.sent(kind, due, id);
    let outcome = timeout(client.options.timeout, exchange(&client, kind, request)).await;
    match outcome {
        Ok(Ok((answer, connection))) => {
            client.book.ended(sent, Ok(answer));
            if kind != Kind::GetOnce {
                client.pool.keep(connection).await;
            }
        }
        Ok(Err(words)) => client.book.ended(sent, Err(words)),
        Err(_) => client.book.ended(sent, Err(format!("no whole answer within {:?}", client.options.timeout))),
    }
}

/// Whether the end of an answer can be told from a cut. One that ends with its connection cannot.
pub(super) fn has_an_end(status: StatusCode, headers: &HeaderMap) -> bool {
    let chunked =
        headers.get(header::TRANSFER_ENCODING).is_some_and(|codings| codings.as_bytes().ends_with(b"chunked"));
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    chunked || bodiless || headers.contains_key(header::CONTENT_LENGTH)
}

/// Text from the server, as one short line.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn compose(client: &Client, kind: Kind, id: Option<&str>) -> Outgoing {
    let request = Request::builder().header(header::HOST, client.host());
    let built = match (&client.options.post, id) {
        (Some(post), Some(id)) => {
            let (content_type, body) = (post.body)(id);
            let request = request.method("POST").uri(&post.path).header(header::CONTENT_TYPE, content_type);
            request.body(Full::new(Bytes::from(body)))
        }
        _ => get(request, kind).uri(&client.options.get_path).body(Full::default()),
    };
    built.expect("the options make a valid request")
}

fn get(request: Builder, kind: Kind) -> Builder {
    if kind == Kind::GetOnce { request.header(header::CONNECTION, "close") } else { request }
}

async fn exchange(client: &Client, kind: Kind, request: Outgoing) -> Result<(Answer, Connection), String> {
    let (response, connection) = if kind == Kind::GetOnce {
        connection::send_new(client.address, request).await?
    } else {
        connection::send_kept(client.address, &client.pool, &client.book, request).await?
    };
    Ok((whole(response).await?, connection))
}

/// Reads an answer to its end.
async fn whole(response: Response<Incoming>) -> Result<Answer, String> {
    let status = response.status();
    if !has_an_end(status, response.headers()) {
        return Err(format!(
            "answered {} without a length, so that its end cannot be told from a cut",
            status.as_u16()
        ));
    }
    let mut body = response.into_body();
    let mut start = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("an answer {} was cut: {}", status.as_u16(), chain(&error)))?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        start.extend_from_slice(&data[..data.len().min(SHOWN_BYTES - start.len())]);
    }
    Ok(Answer { status: status.as_u16(), text: shown(&start) })
}
