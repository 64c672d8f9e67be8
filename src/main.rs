//! The `diag` command.

fn main() {}
