//! A model that answers as it is told to, for whoever wants to see what one can do to a report.
//!
//! ```text
//! cargo bench --bench model -- adversary 127.0.0.1:8099       # or `agrees`, `noise`, `noise-7`
//! DIAG_BRAIN_URL=http://127.0.0.1:8099/v1 DIAG_BRAIN_MODEL=adversary diag analyze logs/ --brain
//! ```
#![allow(clippy::disallowed_methods, reason = "a program for people: listens")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod arm;
mod server;

use std::net::TcpListener;
use std::process::ExitCode;

use arm::Arm;

fn named(name: &str) -> Option<Arm> {
    match name {
        "adversary" => Some(Arm::Adversary),
        "agrees" => Some(Arm::Agrees),
        "noise" => Some(Arm::Noise(0)),
        _ => name.strip_prefix("noise-")?.parse().ok().map(Arm::Noise),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let (Some(arm), Some(address)) = (arguments.first().map(String::as_str).and_then(named), arguments.get(1)) else {
        eprintln!("model: say who answers and where: adversary|agrees|noise|noise-SEED ADDRESS:PORT");
        return ExitCode::FAILURE;
    };
    match TcpListener::bind(address) {
        Ok(listener) => {
            println!("{} answers at http://{address}/v1", arguments[0]);
            server::serve(&listener, move |_, _, request| server::streams(&arm.answer(&request)));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("model: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}
