//! As much of HTTP/1.1 as handing a batch to a collector takes: one POST a connection, and the head of its answer.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// How long a connection, a write and a read may each take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How much of an answer is read.
const ANSWER_BYTES: u64 = 64 * 1024;

/// The client; it tells of the first batch that the collector did not take, and is silent of those after.
#[derive(Debug, Default)]
pub(super) struct Client {
    has_told: AtomicBool,
}

impl HttpClient for Client {
    // Blocks: it runs on the export's own thread.
    fn send_bytes<'client, 'sent>(
        &'client self,
        request: Request<Bytes>,
    ) -> BoxFuture<'sent, Result<Response<Bytes>, HttpError>>
    where
        'client: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let answer = post(&request);
            match &answer {
                Ok(answer) if answer.status().is_success() => {}
                Ok(answer) => self.tell_once(&request, answer.status()),
                Err(error) => self.tell_once(&request, error),
            }
            answer
        })
    }
}

impl Client {
    fn tell_once(&self, request: &Request<Bytes>, why: impl Display) {
        if !self.has_told.swap(true, Ordering::Relaxed) {
            super::tell(format_args!("spans are lost, the run goes on: {}: {why}", request.uri()));
        }
    }
}

fn post(request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut stream = connect(request)?;
    stream.write_all(&head(request))?;
    stream.write_all(request.body())?;
    answer(stream)
}

fn connect(request: &Request<Bytes>) -> io::Result<TcpStream> {
    let uri = request.uri();
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(io::Error::other(
            "only http:// is spoken here; a collector beside the command can pass it on by TLS",
        ));
    };
    let host = host.trim_matches(['[', ']']);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, uri.port_u16().unwrap_or(80)).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The request's line and headers.
fn head(request: &Request<Bytes>) -> Vec<u8> {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |whole| whole.as_str().rsplit('@').next().unwrap_or(""));
    let length = request.body().len();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n");
    head.push_str("user-agent: regie\r\n");
    let mut head = head.into_bytes();
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != "user-agent") {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

/// The status, and how long to wait before the next try if it says so. What else it says is read and forgotten.
fn answer(stream: TcpStream) -> Result<Response<Bytes>, HttpError> {
    let mut reader = BufReader::new(stream.take(ANSWER_BYTES));
    let mut line = String::new();
    reader.read_line(&mut line).map_err(in_words)?;
    let status: u16 = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no answer of HTTP")?;
    let mut response = Response::builder().status(status);
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("retry-after") {
            response = response.header("retry-after", value.trim());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    // The collector need not see its answer cut off. It has taken the batch by now, whatever becomes of the rest.
    let _ = io::copy(&mut reader.take(length), &mut io::sink());
    Ok(response.body(Bytes::new())?)
}

/// A read that waited too long is told by the system as «try again», which nobody understands.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}
