//! The name of an exchange: unique without asking anybody, and later ones sort behind earlier ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// An exchange. Its first 48 bits are Unix milliseconds, the others are random, as in a UUID of version
/// 7 (RFC 9562, section 5.7) without its marks.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ExchangeId(u128);

/// Why a text names no exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the 32 hexadecimal digits of an exchange")]
pub struct ExchangeIdError(String);

const RANDOM_BITS: u32 = 80;
/// The length of its text.
const DIGITS: usize = 32;

impl ExchangeId {
    /// The exchange that began at this time (Unix milliseconds), told from all others by chance.
    pub fn new(at: i64, chance: u128) -> Self {
        let milliseconds = u128::from(at.unsigned_abs()) << RANDOM_BITS;
        Self(milliseconds | (chance & ((1 << RANDOM_BITS) - 1)))
    }

    /// The exchange of these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Its 16 bytes, in the order in which they sort.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Its text, in this room.
    fn text(self, room: &mut [u8; DIGITS]) -> &str {
        hex::encode_to_slice(self.to_bytes(), room).expect("two digits for each byte");
        std::str::from_utf8(room).unwrap_or_default()
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; DIGITS]))
    }
}

impl Serialize for ExchangeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; DIGITS]))
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ExchangeId {
    type Err = ExchangeIdError;

    fn from_str(text: &str) -> Result<Self, ExchangeIdError> {
        let wrong = || ExchangeIdError(text.to_owned());
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for ExchangeId {
    type Error = ExchangeIdError;

    fn try_from(text: String) -> Result<Self, ExchangeIdError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ones_sort_behind_and_the_text_comes_back() {
        let (early, late) = (ExchangeId::new(1, u128::MAX), ExchangeId::new(2, 0));
        assert!(early < late && early.to_bytes() < late.to_bytes());
        assert_eq!(early.to_string().parse(), Ok(early));
        for wrong in
            ["", "12", "g0000000000000000000000000000000", "+0000000000000000000000000000001"]
        {
            assert!(wrong.parse::<ExchangeId>().is_err(), "{wrong}");
        }
    }
}
