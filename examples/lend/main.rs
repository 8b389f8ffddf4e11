//! Lends a device of this machine to runs on other machines.
//!
//! `cargo run --release --features remote --example lend -- --listen 10.0.0.7:3000`, and where the run is, `cargo run
//! --release --features remote --example pretrain -- --device flex,remote:10.0.0.7:3000 …`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::Parser;
use isogloss::burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use isogloss_examples::{Outcome, exit_code};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Lends a device of this machine to runs on other machines, until Ctrl-C.
///
/// Whoever reaches the address may compute here, unless the variable ISOGLOSS_REMOTE_TOKEN is set: then who has the same in
/// theirs. Nothing is encrypted, neither token nor texts: lend on a network that you trust, or through a tunnel.
#[derive(Parser)]
#[command(name = "lend", version)]
struct Args {
    /// The address to be reached at; the default is reached from this machine alone
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    /// The device that is lent: auto, flex, …
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() -> ExitCode {
    isogloss_examples::keep_memory();
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let mut server = RemoteServer::new([isogloss::device(&args.device)?]);
    let token = std::env::var(isogloss::REMOTE_TOKEN).unwrap_or_default();
    let to = if token.is_empty() { "anybody" } else { "who has the token" };
    if !token.is_empty() {
        server = server.with_authorizer(
            TokenAuthorizer::new(token.as_str()).map_err(|error| error.to_string())?,
        );
    }
    let fault = |error: std::io::Error| format!("--listen {}: {error}", args.listen);
    let listener = TcpListener::bind(args.listen).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    println!("lending {} at {address}, to {to}; Ctrl-C ends it", args.device);
    server
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|error| error.to_string().into())
}
