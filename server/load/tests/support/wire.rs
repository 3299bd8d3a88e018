//! HTTP by the byte, for what no client sends.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mfacore_server_load::directory::{AUDIENCE, CLIENT, PASSWORD};
use serde_json::json;

/// No read here waits as long, unless for ever.
const HANGS: Duration = Duration::from_secs(60);

/// A connection.
pub struct Wire(TcpStream);

impl Wire {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(HANGS)).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// All that comes up to the end of a head: the answer's, or one that says to go on.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.0.read(&mut byte).unwrap();
            assert_eq!(read, 1, "closed after {:?}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// An answer with its body, which the head gives the length of.
    pub fn answer(&mut self) -> (String, String) {
        let head = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// All that comes until the server closes the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            // Closed while something that was sent lay unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}"),
        }
        String::from_utf8(rest).unwrap()
    }
}

/// The body of a login, whose password takes a while to verify.
pub fn login(username: &str) -> String {
    json!({
        "grant_type": "password",
        "client_id": CLIENT,
        "username": username,
        "password": PASSWORD,
        "audience": AUDIENCE,
    })
    .to_string()
}

/// The head of a request with this body. The server says to go on once it has begun on the request.
pub fn head_of(body: &str) -> String {
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    )
}
