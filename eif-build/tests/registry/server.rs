//! A small HTTP server that says whatever its test has it say.
use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
};

use eif_build::{ImageRef, digest::Digest};

/// A request.
pub(crate) struct Request {
    lines: Vec<String>,
    /// What follows the head.
    pub(crate) body: String,
}

impl Request {
    /// Reads the head, byte for byte, so that what follows it stays in the stream, and then the body.
    pub(crate) fn read(stream: &mut impl Read) -> io::Result<Self> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let lines = head.lines().map(str::to_owned).collect();
        let mut request = Self {
            lines,
            body: String::new(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        stream.take(length).read_to_string(&mut request.body)?;
        Ok(request)
    }

    pub(crate) fn method(&self) -> &str {
        self.lines[0].split(' ').next().unwrap_or_default()
    }

    /// What is asked for, with its query.
    pub(crate) fn path(&self) -> &str {
        self.lines[0].split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.lines[1..].iter().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// Serves on a port of 127.0.0.1 until the test program ends, one request a connection; returns host and port.
pub(crate) fn serve(answer: impl Fn(&Request, &mut dyn Write) + Send + Sync + 'static) -> String {
    listen(move |mut stream| {
        if let Ok(request) = Request::read(&mut stream) {
            answer(&request, &mut stream);
        }
    })
}

pub(crate) fn listen(connected: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connected = Arc::new(connected);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connected = connected.clone();
            std::thread::spawn(move || connected(stream));
        }
    });
    address
}

/// Writes an answer; a client that has gone does not matter.
pub(crate) fn reply(stream: &mut dyn Write, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
    let _ = stream.flush();
}

/// A 401 that asks for a token of the server at `realm`.
pub(crate) fn ask_for_token(stream: &mut dyn Write, realm: &str) {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"test\"");
    reply(
        stream,
        "401 Unauthorized",
        &[("www-authenticate", &challenge)],
        b"",
    );
}

/// The blob or manifest that a path names in a folder of the OCI image layout; a tag names `tagged`.
pub(crate) fn content(layout: &Path, path: &str, tagged: &Digest) -> Option<Vec<u8>> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let digest = name.strip_prefix("sha256:").map_or(tagged.hex(), str::to_owned);
    std::fs::read(layout.join("blobs/sha256").join(digest)).ok()
}

/// The image of the server at `address`.
pub(crate) fn image_at(address: &str) -> ImageRef {
    format!("{address}/app:1").parse().unwrap()
}
