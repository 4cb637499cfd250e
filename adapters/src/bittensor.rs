//! Bittensor's own protocols: how a validator (here: the gateway) calls a miner.
//!
//! * [`hotkey`]: sr25519 keys and their addresses
//! * [`dendrite`]: a signed call of an axon, the server that miners of the first protocol run
//! * [`epistula`]: the later way, a signature over the body of an ordinary OpenAI request
//! * [`python`]: texts of values as Python writes them, which axons hash
//!
//! Facts are those of bittensor 10.5.0, the last release with axon and dendrite. Nothing here talks
//! to a network.
//!
//! Such a call proves who *asked*. No axon signs what it answers (not even its success headers are
//! signed), so an answer's origin is known by its transport alone: whoever holds the miner's address
//! may have made it, with whatever model. Facts of such an endpoint must not claim more.

use std::fmt::Write;
use std::time::SystemTime;

pub mod dendrite;
pub mod epistula;
pub mod hotkey;
pub(crate) mod options;
pub mod python;

/// What tells the time. Signatures hold for seconds only.
pub type Clock = fn() -> SystemTime;

/// Bytes in lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes from hex, with or without `0x` before it.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

/// A random name for a sender, in the form of a version 4 UUID.
fn random_uuid() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let digits = hex(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways_and_refuses_the_rest() {
        assert_eq!(unhex("0x00ff1A"), Some([0, 255, 26]));
        assert_eq!(hex(&[0, 255, 26]), "00ff1a");
        for wrong in ["", "00ff", "00ff1a00", "0x0x00ff", "00fg1a", "éé00"] {
            assert_eq!(unhex::<3>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn uuids_have_their_form_and_differ() {
        let (one, other) = (random_uuid().unwrap(), random_uuid().unwrap());
        assert_ne!(one, other);
        let dashes: Vec<_> = one.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((one.len(), dashes), (36, vec![8, 13, 18, 23]));
        assert_eq!(&one[14..15], "4");
    }
}
