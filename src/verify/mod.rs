//! What runs prove: readings of tests, what is expected of them, and which node of many is bad.

pub mod isolate;
