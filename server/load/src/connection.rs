//! One connection that stays open. What is sent is sent once: a request without an answer is in doubt, and whoever
//! sent it decides what then.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The connection ended before the whole answer was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; `null` where there is none.
    pub body: Value,
}

impl Answer {
    /// The member of this name, where it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }

    /// Whether this is the refusal `error` with this status.
    pub fn is_refusal(&self, status: u16, error: &str) -> bool {
        self.status == status && self.text("error") == Some(error)
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The HTTP method.
    pub method: Method,
    /// From the first slash.
    pub path: &'a str,
    /// The token in `Authorization`.
    pub bearer: Option<&'a str>,
    /// The body.
    pub json: Option<Value>,
}

/// One connection at a time to one server, opened anew where it was lost.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Opened by the first call.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Where it leads.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a call and waits for its answer.
    ///
    /// # Errors
    /// [`Lost`]: whether the server acted on it is not known.
    pub async fn call(&mut self, call: &Call<'_>) -> Result<Answer, Lost> {
        let mut sender = self.sender().await.ok_or(Lost)?;
        let answer = self.answer(&mut sender, call).await.ok_or(Lost)?;
        self.open = Some(sender);
        Ok(answer)
    }

    async fn sender(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.open.take()
            && sender.ready().await.is_ok()
        {
            return Some(sender);
        }
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    async fn answer(&self, sender: &mut SendRequest<Full<Bytes>>, call: &Call<'_>) -> Option<Answer> {
        let response = sender.send_request(self.request(call)?).await.ok()?;
        let (head, body) = Response::into_parts(response);
        let body = body.collect().await.ok()?.to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).ok()? };
        Some(Answer { status: head.status.as_u16(), body })
    }

    fn request(&self, call: &Call<'_>) -> Option<Request<Full<Bytes>>> {
        let mut request =
            Request::builder().method(&call.method).uri(call.path).header(HOST, self.address.to_string());
        if let Some(token) = call.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match &call.json {
            None => Bytes::new(),
            Some(json) => {
                request = request.header(CONTENT_TYPE, "application/json");
                json.to_string().into()
            }
        };
        request.body(Full::new(body)).ok()
    }
}
