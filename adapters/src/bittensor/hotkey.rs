//! A hotkey: the sr25519 key with which a neuron signs, and the address by which others know it.
//!
//! Addresses are SS58 (docs.substrate.io): base58 of the byte 42, the public key and the first two
//! bytes of BLAKE2b-512 over `SS58PRE` and what came before. Signatures have Substrate's context.

use std::fmt;
use std::sync::Arc;

use blake2::{Blake2b512, Digest};
use isthmus_inference::secret::Secret;
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, PublicKey, Signature, signing_context};

use super::{hex, unhex};

/// A key that can sign.
pub struct Hotkey {
    pair: Keypair,
    address: Address,
}

/// A public key by its SS58 address.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: Arc<str>,
    public: [u8; 32],
}

/// Why a text is no key or no address. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a seed.
    #[error("is not a seed: 64 hexadecimal digits (`secretSeed` in a hotkey's file)")]
    Seed,
    /// Not an address.
    #[error("is not an SS58 address of Bittensor (48 letters and digits, beginning with 5)")]
    Address,
}

/// Substrate's signing context.
const CONTEXT: &[u8] = b"substrate";
/// What is hashed before an address, so that its checksum serves nothing else.
const CHECKSUM_PREFIX: &[u8] = b"SS58PRE";
/// Substrate's generic network, which Bittensor uses.
const NETWORK: u8 = 42;
/// Network, public key, checksum.
const ADDRESS_BYTES: usize = 1 + 32 + 2;

// === impl Hotkey ===

impl Hotkey {
    /// The key of a seed in hex.
    pub fn from_seed(seed: &Secret) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = unhex(seed.expose().trim()).ok_or(KeyError::Seed)?;
        let seed = MiniSecretKey::from_bytes(&bytes).map_err(|_| KeyError::Seed)?;
        let pair = seed.expand_to_keypair(ExpansionMode::Ed25519);
        let address = Address::of(pair.public.to_bytes());
        Ok(Self { pair, address })
    }

    /// By which others know it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A signature over `message`, as Bittensor writes it: `0x` and 128 hexadecimal digits.
    pub fn sign(&self, message: &str) -> String {
        let signature = self.pair.sign(signing_context(CONTEXT).bytes(message.as_bytes()));
        format!("0x{}", hex(&signature.to_bytes()))
    }
}

impl fmt::Debug for Hotkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hotkey({})", self.address)
    }
}

// === impl Address ===

impl Address {
    /// Reads an address and checks its checksum.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; ADDRESS_BYTES];
        let length = bs58::decode(text).onto(&mut bytes).map_err(|_| KeyError::Address)?;
        let public: [u8; 32] = bytes[1..33].try_into().map_err(|_| KeyError::Address)?;
        let address = Self::of(public);
        let right = length == ADDRESS_BYTES && *address.text == *text;
        right.then_some(address).ok_or(KeyError::Address)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the holder of this address made this signature over `message`.
    pub fn signed(&self, message: &str, signature: &str) -> bool {
        let Ok(key) = PublicKey::from_bytes(&self.public) else { return false };
        let signature = unhex::<64>(signature).and_then(|it| Signature::from_bytes(&it).ok());
        signature.is_some_and(|signature| {
            key.verify(signing_context(CONTEXT).bytes(message.as_bytes()), &signature).is_ok()
        })
    }

    fn of(public: [u8; 32]) -> Self {
        let mut bytes = Vec::with_capacity(ADDRESS_BYTES);
        bytes.push(NETWORK);
        bytes.extend_from_slice(&public);
        let checksum = Blake2b512::new().chain_update(CHECKSUM_PREFIX).chain_update(&bytes);
        bytes.extend_from_slice(&checksum.finalize()[..2]);
        Self { text: bs58::encode(bytes).into_string().into(), public }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Substrate's well-known development key `//Alice`.
    pub(crate) const ALICE_SEED: &str =
        "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
    pub(crate) const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    /// `//Bob`.
    pub(crate) const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

    #[test]
    fn a_seed_gives_its_address_with_or_without_0x() {
        for seed in [ALICE_SEED, &ALICE_SEED[2..]] {
            let hotkey = Hotkey::from_seed(&Secret::from(seed)).unwrap();
            assert_eq!(hotkey.address().as_str(), ALICE);
        }
    }

    #[test]
    fn what_was_signed_is_recognised_and_nothing_else() {
        let hotkey = Hotkey::from_seed(&ALICE_SEED.into()).unwrap();
        let signature = hotkey.sign("1.2.3");
        assert!(hotkey.address().signed("1.2.3", &signature));
        assert!(!hotkey.address().signed("1.2.4", &signature));
        assert!(!Address::parse(BOB).unwrap().signed("1.2.3", &signature));
        assert!(!hotkey.address().signed("1.2.3", "0x00"));
    }

    #[test]
    fn a_wrong_address_is_refused() {
        let long = format!("{ALICE}1");
        let swapped = ALICE.replace("Grwv", "Grvw");
        for wrong in ["", "5", &ALICE[1..], &long, &swapped, "0xd43593c715fdd31c"] {
            assert_eq!(Address::parse(wrong), Err(KeyError::Address), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_seed_is_refused_and_no_seed_is_shown() {
        for wrong in ["", "0x12", "bottom drive obey lake", &format!("{ALICE_SEED}00")] {
            assert_eq!(Hotkey::from_seed(&wrong.into()).unwrap_err(), KeyError::Seed, "{wrong}");
        }
        let hotkey = Hotkey::from_seed(&ALICE_SEED.into()).unwrap();
        assert_eq!(format!("{hotkey:?}"), format!("Hotkey({ALICE})"));
    }
}
