//! The `diag` command.

fn main() -> std::process::ExitCode {
    diag::cli::run()
}
