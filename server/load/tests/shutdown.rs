//! A server that is told to end: it answers what it has begun on, closes what waits, and ends with 0.

#[path = "support/mod.rs"]
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use mfacore_server_load::directory::username;
use mfacore_server_load::server_process::{POLICY, ServerProcess};
use support::{folder_of, server_binary};
use wire::{Wire, head_of, login};

const CONNECTIONS: usize = 16;

#[test]
fn every_request_that_was_begun_is_answered_and_the_server_ends_with_0() {
    let folder = folder_of(CONNECTIONS);
    let (mut server, log) = ServerProcess::start_logged(server_binary(), folder.path(), POLICY).unwrap();
    let address = server.address();

    let mut idle = Wire::open(address);
    idle.send("GET /.well-known/openid-configuration HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(idle.answer().0.starts_with("HTTP/1.1 200 "));

    let mut requests: Vec<(Wire, String)> =
        (0..CONNECTIONS).map(|number| (Wire::open(address), login(&username(number)))).collect();
    for (wire, body) in &mut requests {
        wire.send(&head_of(body));
        assert_eq!(wire.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    }
    // Half are at work on a password when the server is told; half have their body on the way.
    let (working, arriving) = requests.split_at_mut(CONNECTIONS / 2);
    for (wire, body) in working.iter_mut() {
        wire.send(body);
    }
    server.terminate().unwrap();
    let mut lines = BufReader::new(log).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("ending: requests in flight are finished")));
    let drained = std::thread::spawn(move || lines.count());
    for (wire, body) in arriving.iter_mut() {
        wire.send(body);
    }

    for (wire, _) in &mut requests {
        let (head, body) = wire.answer();
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        assert!(body.contains("mfa_token"), "{body}");
        assert_eq!(wire.rest(), "", "the connection is closed behind the answer");
    }
    assert_eq!(idle.rest(), "", "a connection without a request is closed");
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
    drained.join().unwrap();
}
