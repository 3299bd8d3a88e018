//! Clients that stop in the middle: each is let go after a while, and none holds up the others, or the end.

#[path = "support/mod.rs"]
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use mfacore_server_load::directory::username;
use mfacore_server_load::server_process::{POLICY, ServerProcess};
use support::{folder_of, server_binary};
use wire::{Wire, head_of, login};

/// The server waits 15 s for a head and 10 s for a body; a machine that is busy, some more.
const HEAD: Duration = Duration::from_secs(25);
const BODY: Duration = Duration::from_secs(20);

/// These wait as long as the server does, which a person who runs the tests need not.
fn is_left_out() -> bool {
    let left_out = std::env::var_os("MFACORE_TEST_ALL").is_none();
    if left_out {
        println!("left out: clients that stop in the middle (make test-all)");
    }
    left_out
}

/// What came of a client, and when.
struct Let {
    go_after: Duration,
    answer: String,
}

fn until_let_go(address: SocketAddr, sent: &str) -> Let {
    let begun = Instant::now();
    let mut wire = Wire::open(address);
    wire.send(sent);
    let answer = wire.rest();
    Let { go_after: begun.elapsed(), answer }
}

#[test]
fn who_stops_in_the_middle_is_let_go_and_holds_up_nobody() {
    if is_left_out() {
        return;
    }
    let folder = folder_of(1);
    let server = ServerProcess::start(server_binary(), folder.path(), POLICY).unwrap();
    let address = server.address();
    let body = login(&username(0));
    let half_a_head = "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-";
    let half_a_body = head_of(&body).replace("expect: 100-continue\r\n", "") + &body[..body.len() / 2];
    let no_second_head = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    thread::scope(|scope| {
        let [nothing, head, second_head, body_half] = ["", half_a_head, no_second_head, &half_a_body]
            .map(|sent| scope.spawn(move || until_let_go(address, sent)));
        let mut other = Wire::open(address);
        other.send(&(head_of(&body).replace("expect: 100-continue\r\n", "") + &body));
        assert!(other.answer().1.contains("mfa_token"), "the others are served meanwhile");

        let half = body_half.join().unwrap();
        assert!(half.answer.starts_with("HTTP/1.1 408 "), "{}", half.answer);
        assert!(half.go_after < BODY, "{:?}", half.go_after);
        let second = second_head.join().unwrap();
        assert!(second.answer.starts_with("HTTP/1.1 200 "), "{}", second.answer);
        assert!(second.go_after < HEAD, "{:?}", second.go_after);
        let nothing = nothing.join().unwrap();
        assert!(nothing.answer.is_empty() && nothing.go_after < HEAD, "{:?}", nothing.go_after);
        let head = head.join().unwrap();
        assert!(head.answer.is_empty() || head.answer.starts_with("HTTP/1.1 408 "), "{}", head.answer);
        assert!(head.go_after < HEAD, "{:?}", head.go_after);
    });
}

#[test]
fn who_stops_in_the_middle_does_not_hold_up_the_end() {
    if is_left_out() {
        return;
    }
    let folder = folder_of(1);
    let mut server = ServerProcess::start(server_binary(), folder.path(), POLICY).unwrap();
    let mut half_a_head = Wire::open(server.address());
    half_a_head.send("POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-");
    let body = login(&username(0));
    let mut half_a_body = Wire::open(server.address());
    half_a_body.send(&head_of(&body));
    assert_eq!(half_a_body.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    half_a_body.send(&body[..body.len() / 2]);

    let begun = Instant::now();
    server.terminate().unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < HEAD, "{:?}", begun.elapsed());
    assert!(half_a_body.rest().starts_with("HTTP/1.1 408 "));
}
