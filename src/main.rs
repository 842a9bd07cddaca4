//! kontain-faas: the function server and its tools, one subcommand each.

fn main() {}
