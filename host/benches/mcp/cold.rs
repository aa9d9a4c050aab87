//! Cold start: from the start of the process to the first right answer to a `tools/call`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::request::Call;
use crate::servers::Contestant;

/// Between two attempts; small against what is measured, large against what an attempt costs the starting server.
const PAUSE: Duration = Duration::from_micros(200);
const ANSWER_MAX: Duration = Duration::from_secs(2);
const START_MAX: Duration = Duration::from_secs(30);

/// Milliseconds until `contestant` has answered a call of `tool`.
pub(crate) fn start_ms(contestant: &dyn Contestant, tool: &str) -> anyhow::Result<f64> {
    let call = Call::new(tool, 0);
    let start = Instant::now();
    let mut server = contestant.spawn()?;
    loop {
        if answers(server.address(), &call, tool) {
            return Ok(start.elapsed().as_secs_f64() * 1e3);
        }
        server.check_alive()?;
        ensure!(start.elapsed() < START_MAX, "no answer within {START_MAX:?} of the start");
        std::thread::sleep(PAUSE);
    }
}

/// Whether the right answer comes, with status 200; anything else means that the server is not there yet.
fn answers(address: SocketAddr, call: &Call, tool: &str) -> bool {
    let exchange = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.write_all(&call.http(&address.to_string(), tool))?;
        let mut response = vec![0; 16 << 10];
        let mut length = 0;
        loop {
            let count = stream.read(&mut response[length..])?;
            length += count;
            let received = String::from_utf8_lossy(&response[..length]);
            match received.split_once("\r\n\r\n") {
                Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && call.check(body.as_bytes()).is_ok() => return Ok(true),
                _ if count == 0 => return Ok(false),
                _ => {}
            }
        }
    };
    let answered: std::io::Result<bool> = exchange();
    answered.unwrap_or(false)
}
