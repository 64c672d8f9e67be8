//! The order that people expect: `rank2` before `rank10`.

use std::cmp::Ordering;

/// Compares names part by part, runs of digits by their value.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (left.first(), right.first()) {
        let (taken_x, taken_y, order) = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, n) = (digits(left), digits(right));
            (m, n, number(&left[..m]).cmp(&number(&right[..n])))
        } else {
            // A folder's files stand together: a slash comes before all else.
            (1, 1, (*x != b'/', x).cmp(&(*y != b'/', y)))
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (&left[taken_x..], &right[taken_y..]);
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The digits without leading zeros, in a form that compares by value whatever its length.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.len() - zeros, &digits[zeros..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let mut names = ["b/1", "rank10.log", "rank2.log", "rank02.log", "a", "rank2/x", "b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "b", "b/1", "rank2/x", "rank02.log", "rank2.log", "rank10.log"]);
    }
}
