//! Private keys in armour: PEM, OpenSSH and PGP.

use super::{Find, Kind, Text};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "private_key",
    class: DataClass::Secret,
    about: "the first line of an armoured private key",
    find: Find::Armour(find),
};

const BEGIN: &[u8] = b"-----BEGIN ";

/// The longest kind of key between `BEGIN` and `PRIVATE KEY`.
const LONGEST_KIND: usize = 12;

fn find(text: Text<'_>, at: usize) -> bool {
    let before = &text[at.saturating_sub(LONGEST_KIND + BEGIN.len())..at];
    let begins = memchr::memmem::rfind(before, BEGIN);
    let kind = begins.map(|begins| &before[begins + BEGIN.len()..]);
    kind.is_some_and(|kind| kind.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b' '))
}
