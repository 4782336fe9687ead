//! The least that boots: as process 1 it sends the heartbeat and waits; as the application of an image (`guest wait`)
//! it waits. Standard library only; `scripts/bench.sh` compiles it with rustc for x86_64-unknown-linux-musl.

mod vsock;

fn main() {
    if std::env::args().nth(1).as_deref() != Some("wait")
        && let Err(error) = vsock::send_heartbeat()
    {
        println!("no heartbeat: {error}");
    }
    loop {
        std::thread::park();
    }
}
