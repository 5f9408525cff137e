//! Requests to the git server, the chat and AWS, and what they are for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Kind;

/// One request as it came.
pub(super) struct Request {
    /// Up to the empty line.
    pub(super) head: String,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn read(stream: &TcpStream) -> Option<Self> {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut request = Self { head, body: Vec::new() };
        if let Some(length) = request.header("content-length") {
            request.body.resize(length.parse().ok()?, 0);
            reader.read_exact(&mut request.body).ok()?;
        } else if request.header("transfer-encoding").is_some() {
            while !request.body.ends_with(b"\r\n0\r\n\r\n") {
                let size = reader.fill_buf().ok()?.len();
                if size == 0 {
                    return None;
                }
                request.body.extend_from_slice(&reader.buffer()[..size]);
                reader.consume(size);
            }
        }
        Some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(super) fn kind(&self) -> Kind {
        let line = self.head.lines().next().unwrap_or_default();
        if line.contains("/hooks/") {
            return Kind::Chat;
        }
        if self.header("authorization").is_some_and(|words| words.starts_with("AWS4-")) {
            let writes =
                |name: &str| self.header("x-amz-target").is_some_and(|target| target.ends_with(name));
            return match self.header("x-amz-copy-source") {
                Some(_) => Kind::Copy,
                None if writes(".PutParameter") => Kind::Parameter,
                None => Kind::Look,
            };
        }
        let names =
            |branch: &str| self.body.windows(branch.len()).take(300).any(|at| at == branch.as_bytes());
        if !line.starts_with("POST") || !line.contains("git-receive-pack") || !names("refs/heads/") {
            return Kind::Read;
        }
        if names(&format!("refs/heads/{}", crate::world::QUEUE)) { Kind::Queue } else { Kind::Target }
    }

    pub(super) fn pass_on(&self, to: u16) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(("127.0.0.1", to))?;
        for line in self.head.lines().filter(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if !name.eq_ignore_ascii_case("connection") {
                write!(server, "{line}\r\n")?;
            }
        }
        write!(server, "Connection: close\r\n\r\n")?;
        server.write_all(&self.body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}
