//! Names for what has none: calls and answers.

/// A fresh name: `head` and 128 random bits in hexadecimal. Not a secret.
pub fn fresh(head: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    let bytes = fastrand::u128(..).to_be_bytes();
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    let mut name = String::with_capacity(head.len() + digits.len());
    name.push_str(head);
    name.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hexadecimal_and_differ() {
        let (one, other) = (fresh("req_"), fresh("req_"));
        assert_ne!(one, other);
        let digits = one.strip_prefix("req_").unwrap();
        assert_eq!(digits.len(), 32);
        assert!(digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{digits}");
    }
}
