//! The application in the tests' images: one static program that needs nothing else in its image.
//!
//! - `serve PORT` answers `/health`, has nothing at `/nowhere`, and gives the variable GREETING for any other path
//! - `exit CODE` says its last words and ends so

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", port] => serve(port.parse().expect("a port")),
        ["exit", code] => {
            println!("these are the last words");
            exit(code.parse().expect("a code"));
        }
        _ => exit(64),
    }
}

fn serve(port: u16) {
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("the port");
    println!("serving on {port}");
    for stream in listener.incoming().flatten() {
        // Who goes away early is no concern of the others.
        let _ = answer(stream);
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut line = String::from("-");
    while !line.trim().is_empty() {
        line.clear();
        request.read_line(&mut line)?;
    }
    let (status, body) = match first.split(' ').nth(1) {
        Some("/health") => ("200 OK", "well".to_owned()),
        Some("/nowhere") => ("404 Not Found", String::new()),
        _ => ("200 OK", std::env::var("GREETING").unwrap_or_default()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
