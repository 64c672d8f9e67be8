//! Names of objects, and words of queries.

/// Longest name (`DNS1123SubdomainMaxLength`, kubernetes v1.31 `apimachinery/pkg/util/validation`).
const LONGEST: usize = 253;

/// Whether a text may name an object of the API (an RFC 1123 subdomain); such a text needs no escape in a path.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= LONGEST && text.split('.').all(label)
}

/// A text as the value of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{encoded, is_name};

    #[test]
    fn a_token_is_part_of_a_query_and_nothing_more() {
        assert_eq!(encoded("a/b+c=&d e"), "a%2Fb%2Bc%3D%26d%20e");
    }

    #[test]
    fn what_could_be_a_path_or_a_query_is_no_name() {
        for good in ["train-0", "a", "gpu-17.cluster.example", "0"] {
            assert!(is_name(good), "{good}");
        }
        let bad = ["", ".", "..", "a/..", "a?b", "A", "a b", "a%2f", "-a", "a-", "a..b", "a\n", "\u{430}"];
        for bad in bad {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(!is_name(&"a".repeat(254)));
    }
}
