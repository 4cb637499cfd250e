//! Words that nobody would make up: long, mixed and without order.

use super::context::is_before;
use super::{Find, Kind, Word};
use crate::class::DataClass;

pub(super) const KIND: Kind = Kind {
    name: "high_entropy",
    class: DataClass::Secret,
    about: "a random word of 20 characters or more after a word such as *key* or *bearer*, or of 32 and more by itself; not digests, ids with their usual heads, and paths",
    find: Find::Word(find),
};

const WORDS: &[&str] = &[
    "secret",
    "token",
    "password",
    "passwd",
    "credential",
    "bearer",
    "basic ",
    "api key",
    "api_key",
    "apikey",
    "api-key",
    "access key",
    "accesskey",
    "access_key",
    "private key",
    "private_key",
    "authorization",
    "schlüssel",
    "clé",
    "clave",
    "接口密钥",
    "密钥",
];

/// Before these a random word is a digest or a mark of version.
const DIGESTS: &[&str] =
    &["sha", "md5", "integrity", "digest", "checksum", "etag", "hash", "fingerprint"];

/// The fewest characters of a word that others call a secret.
const NAMED: usize = 20;

/// The fewest of one that nobody calls anything.
const UNNAMED: usize = 32;

/// The longest that is judged; longer ones are data.
const LONGEST: usize = 200;

fn find(word: Word<'_>) -> bool {
    let bytes = word.bytes();
    if !(NAMED..=LONGEST).contains(&bytes.len()) || !is_mixed(bytes) {
        return false;
    }
    let named = || is_before(word.text, word.start, WORDS);
    let digest = || is_before(word.text, word.start, DIGESTS) || is_digest(bytes);
    if has_usual_head(bytes) || is_made_of_words(bytes) {
        return false;
    }
    !digest() && (bytes.len() >= UNNAMED || named()) && entropy(bytes) >= least(bytes.len())
}

/// Small and capital letters and digits.
fn is_mixed(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_lowercase)
        && bytes.iter().any(u8::is_ascii_uppercase)
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
}

/// `sha512-…` as in the locks of packages.
fn is_digest(bytes: &[u8]) -> bool {
    [&b"sha1-"[..], b"sha256-", b"sha384-", b"sha512-"].iter().any(|head| bytes.starts_with(head))
}

/// Ids such as `call_…`, `toolu_…`, `chatcmpl-…`: a short head in small letters.
fn has_usual_head(bytes: &[u8]) -> bool {
    let head = bytes.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    (2..=12).contains(&head) && matches!(bytes.get(head), Some(b'_' | b'-'))
}

/// Paths, slugs and identifiers: cut at joins, at changes to capitals and at digits, they fall
/// into pieces as long as words; random ones into crumbs.
fn is_made_of_words(bytes: &[u8]) -> bool {
    let changes = bytes.windows(2).filter(|pair| {
        let class = |byte: u8| match byte {
            b'a'..=b'z' => 0,
            b'A'..=b'Z' => 1,
            b'0'..=b'9' => 2,
            _ => 3,
        };
        class(pair[0]) != class(pair[1])
    });
    // A random word of letters and digits changes its class more than every second time.
    changes.count() * 5 < bytes.len() * 2
}

/// Shannon's entropy, in thousandths of a bit for each character.
fn entropy(bytes: &[u8]) -> u32 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let length = bytes.len() as f64;
    let bits = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    });
    (bits.sum::<f64>() * 1000.0) as u32
}

/// What random words of this length nearly always reach: a short one cannot have many different
/// characters.
const fn least(length: usize) -> u32 {
    match length {
        ..24 => 3700,
        24..32 => 3900,
        32..48 => 4200,
        _ => 4500,
    }
}
