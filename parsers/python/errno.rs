//! Errors of the system as Python tells them: `OSError: [Errno 111] Connection refused`.

use super::class::Class;

/// Numbers of Linux (`include/uapi/asm-generic/errno-base.h` and `errno.h`, v6.12) that a connection fails with.
const CONNECTION: [i64; 14] = [32, 99, 100, 101, 102, 103, 104, 105, 106, 110, 111, 112, 113, 98];

/// Those that a file system fails with: EIO, EROFS, ENOLINK, ECOMM, ENOTCONN, ESHUTDOWN, ESTALE, EREMOTEIO.
const STORAGE: [i64; 8] = [5, 30, 67, 70, 107, 108, 116, 121];

/// Those of a connection that never came to be: ENETDOWN, ENETUNREACH, ETIMEDOUT, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, and
/// of the resolver EAI_NONAME, EAI_AGAIN, EAI_NODATA (glibc 2.41 `netdb.h`).
const NEVER: [i64; 9] = [100, 101, 110, 111, 112, 113, -2, -3, -5];

/// Types that say by their name what failed (CPython 3.8 to 3.13, `Lib/socket.py` and `Objects/exceptions.c`).
const TYPES: [&str; 4] = ["ConnectionRefusedError", "gaierror", "herror", "timeout"];

/// The number in `[Errno 111] Connection refused`; that of a resolver is negative.
pub(super) fn number(message: &str) -> Option<i64> {
    message.split_once("[Errno ")?.1.split_once(']')?.0.parse().ok()
}

/// What kind of trouble the system's answer tells of, where that does not depend on the words.
pub(super) fn class(kind: &str, message: &str) -> Option<Class> {
    if TYPES.contains(&kind) || only_late(kind, message) {
        return Some(Class::Comm);
    }
    // Python puts the file behind the words: `[Errno 110] Connection timed out: '/scratch/x'`.
    let number = number(message).filter(|_| message.starts_with("[Errno "))?;
    let of_a_file = message.ends_with('\'');
    match number {
        _ if STORAGE.contains(&number) => Some(Class::Io),
        110 | 112 if of_a_file => Some(Class::Io),
        _ if CONNECTION.contains(&number) && !of_a_file => Some(Class::Comm),
        _ => None,
    }
}

/// Whether a socket says that its time is up, and not at what.
pub(super) fn only_late(kind: &str, message: &str) -> bool {
    kind == "timeout" || kind == "TimeoutError" && matches!(message, "timed out" | "")
}

/// Whether a connection could not be made, as opposed to one that broke.
pub(super) fn could_not_connect(kind: &str, message: &str) -> bool {
    message.starts_with("[Errno ") && number(message).is_some_and(|number| NEVER.contains(&number))
        || kind.ends_with("gaierror")
        || kind.ends_with("RuntimeError") && bare(message)
        || unresolved(kind, message)
}

/// Whether torch's store tells that the name of its host resolves to nothing: up to v1.6 an argument that is not valid.
pub(super) fn unresolved(kind: &str, message: &str) -> bool {
    (kind.ends_with("RuntimeError") || kind.ends_with("ValueError")) && message.starts_with("host not found: ")
}

/// Whether torch's store passes on what the system said while it connected, without its number: `torch/csrc/distributed/c10d`
/// and `torch/lib/c10d` from v1.0 on.
fn bare(message: &str) -> bool {
    const WORDS: [&str; 3] = ["Connection refused", "No route to host", "Network is unreachable"];
    WORDS.contains(&message.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::{Class, class, could_not_connect, number};

    #[test]
    fn a_name_that_does_not_resolve_is_told_by_the_store() {
        let message = "host not found: Name or service not known";
        assert!(could_not_connect("ValueError", message) && could_not_connect("RuntimeError", message));
        assert!(!could_not_connect("ValueError", "not found: host"));
    }

    #[test]
    fn a_number_tells_whom_to_ask() {
        for (kind, message, wanted) in [
            ("ConnectionRefusedError", "[Errno 111] Connection refused", Some(Class::Comm)),
            ("OSError", "[Errno 113] No route to host", Some(Class::Comm)),
            ("OSError", "[Errno 110] Connection timed out", Some(Class::Comm)),
            ("TimeoutError", "[Errno 110] Connection timed out: '/scratch/data.bin'", Some(Class::Io)),
            ("OSError", "[Errno 30] Read-only file system: '/scratch/ckpt'", Some(Class::Io)),
            ("OSError", "[Errno 108] Cannot send after transport endpoint shutdown", Some(Class::Io)),
            ("gaierror", "[Errno -2] Name or service not known", Some(Class::Comm)),
            ("TimeoutError", "timed out", Some(Class::Comm)),
            ("TimeoutError", "the queue stayed empty for 30 s", None),
            ("OSError", "[Errno 24] Too many open files", None),
        ] {
            assert_eq!(class(kind, message), wanted, "{kind}: {message}");
        }
        assert_eq!((number("[Errno -2] Name"), number("exit code 3")), (Some(-2), None));
    }
}
