//! Names the cause of a dead multi-GPU job, with the lines that prove it.
